"""Raw routes: exact segments, one variable, and no path that can be read in two ways."""

from __future__ import annotations

import pytest

from taskgate.edge.http.call import Call
from taskgate.edge.http.paths import RawRoute, RawRoutes, refuse_doubtful
from taskgate.errors import Malformed, WrongMethod


async def one(call: Call, variable: str) -> None: ...


async def two(call: Call, variable: str) -> None: ...


ROUTES = RawRoutes([RawRoute("GET", "/v1/runs/{id}", one), RawRoute("POST", "/v1/runs/wait", two)])


def test_variables_and_literals() -> None:
    assert ROUTES.find("GET", "/v1/runs/abc") == (one, "abc")
    assert ROUTES.find("POST", "/v1/runs/wait") == (two, "")
    assert ROUTES.find("GET", "/v1/runs") is None
    assert ROUTES.find("GET", "/v1/runs/abc/") is None
    assert ROUTES.find("GET", "//v1/runs/abc") is None


@pytest.mark.parametrize(("method", "path", "allow"), [("GET", "/v1/runs/wait", "POST"), ("PUT", "/v1/runs/x", "GET")])
def test_another_verb(method: str, path: str, allow: str) -> None:
    with pytest.raises(WrongMethod) as caught:
        ROUTES.find(method, path)
    assert caught.value.extra == {"allow": allow}


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/v1/tasks/a%2fruns", "/v1/tasks/a/runs"),
        (b"/v1/tasks/a%2Fruns", "/v1/tasks/a/runs"),
        (b"/v1/tasks/..%5c", "/v1/tasks/..\\"),
        (b"/v1/runs/%00", "/v1/runs/\0"),
        (b"/v1/runs/a%0d%0aX:1", "/v1/runs/a\r\nX:1"),
        (b"/v1/runs/%e2%80%ae", "/v1/runs/\u202e"),
    ],
)
def test_doubtful_paths(raw: bytes, path: str) -> None:
    """S9, S14, S17."""
    with pytest.raises(Malformed) as caught:
        refuse_doubtful(raw, path)
    assert caught.value.code == "BAD_PATH"


def test_plain_paths_pass() -> None:
    refuse_doubtful(b"/v1/tasks/a%2eb/runs", "/v1/tasks/a.b/runs")
