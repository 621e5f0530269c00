"""Names: legal, the service's own, and never those of another service."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.routes.openapi.naming import anchor_name, component_name, made_name, operation_name, same_path, shown_path

SERVICES = st.text("ab.:@-_", min_size=1, max_size=6) | st.sampled_from(["task", "run", "math"])
PARTS = st.text("aB.-_«é /", min_size=1, max_size=6)


@given(SERVICES, PARTS)
def test_names_are_legal(service: str, part: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9._-]+", component_name(service, part))
    assert re.fullmatch(r"[A-Za-z_][-A-Za-z0-9._]*", anchor_name(service, part))


@given(SERVICES, PARTS, SERVICES, PARTS)
def test_names_are_nobody_elses(service: str, part: str, other: str, other_part: str) -> None:
    same = (service, part) == (other, other_part)
    assert (component_name(service, part) == component_name(other, other_part)) is same


@pytest.mark.parametrize(
    ("service", "part", "name"),
    [("math", "Sum", "math.Sum"), ("math", "a.b", "math.a.b"), ("math", "Page«Sum»", "math.Page_Sum-0da41f3c")],
)
def test_plain_names_are_readable(service: str, part: str, name: str) -> None:
    assert component_name(service, part).rpartition("-")[0] == name.rpartition("-")[0]
    assert component_name("task", "x.input") != "task.x.input"


def test_operation_ids() -> None:
    taken: set[str] = set()
    names = []
    for given_id, path in [("get", "/a"), ("get", "/b/{id}"), ("", "/b/{id}"), ("get it!", "/c"), ("", "/")]:
        name = operation_name("s", given_id, method="get", path=path, taken=taken)
        taken.add(name)
        names.append(name)
    assert names[:2] == ["s.get", "s.get_b_by_id"]
    assert re.fullmatch(r"s\.get_b_by_id-[0-9a-f]{8}", names[2])
    assert names[3:] == ["s.get_it", "s.get"] or names[3] == "s.get_it"
    assert len(set(names)) == 5


def test_paths() -> None:
    assert made_name("GET", "/users/{id}/things") == "get_users_by_id_things"
    assert same_path("/a/{id}/{b}") == same_path("/a/{x}/{y}") == "/a/{}/{}"
    assert shown_path("/a/{rest:path}") == "/a/{rest}"
