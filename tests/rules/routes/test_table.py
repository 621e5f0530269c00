"""The route table finds what a naive search over all entries finds, and nothing slows it down."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.routes.table import ANY, RouteTable, is_rest

SEGMENTS = st.sampled_from(["a", "b", "{x}", "{y}"])
TEMPLATES = st.builds(
    lambda parts, end: "/" + "/".join([*parts, *end]),
    st.lists(SEGMENTS, max_size=3),
    st.sampled_from([[], [""], ["{r:path}"], ["{s:path}"]]),
)
METHODS = st.sampled_from(["GET", "POST", "HEAD", ANY])
PATHS = st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=4).map(lambda parts: "/" + "/".join(parts))


def rank(segment: str) -> int:
    return 2 if is_rest(segment) else 1 if segment.startswith("{") else 0


def place(template: str) -> tuple[object, ...]:
    """Equal for templates that are the same path."""
    return tuple(part if rank(part) == 0 else rank(part) for part in template.split("/"))


def texts_of(template: str, path: str) -> tuple[str, ...] | None:
    """Fits the path by a regular expression, the other way to read a template."""
    pattern = "".join(
        "/" + ("(.*)" if rank(part) == 2 else "([^/]+)" if rank(part) == 1 else re.escape(part))
        for part in template.split("/")[1:]
    )
    found = re.fullmatch(pattern, path)
    return None if found is None else found.groups()


def naive(entries: list[tuple[str, str]], method: str, path: str) -> tuple[int, tuple[str, ...]] | None:
    """All entries that fit, the most specific place first, in it the method that counts."""
    first: dict[tuple[object, ...], int] = {}
    for number, (own, template) in enumerate(entries):
        first.setdefault((own, *place(template)), number)
    fitting = [(entries[number], number) for number in first.values() if texts_of(entries[number][1], path) is not None]
    ranks = sorted({tuple(map(rank, template.split("/"))) for (_, template), _ in fitting})
    for wanted_rank in ranks:
        for wanted in (method, "GET" if method == "HEAD" else method, ANY):
            for (own, template), number in fitting:
                if own == wanted and tuple(map(rank, template.split("/"))) == wanted_rank:
                    return number, texts_of(template, path) or ()
    return None


@given(st.lists(st.tuples(METHODS, TEMPLATES), max_size=12), METHODS, PATHS)
def test_it_finds_what_a_naive_search_finds(entries: list[tuple[str, str]], method: str, path: str) -> None:
    table = RouteTable((own, template, number) for number, (own, template) in enumerate(entries))
    assert table.find(method, path) == naive(entries, method, path)


@given(st.lists(st.tuples(METHODS, TEMPLATES), max_size=12), PATHS)
def test_methods_are_all_that_some_route_answers(entries: list[tuple[str, str]], path: str) -> None:
    table = RouteTable((own, template, 0) for own, template in entries)
    fitting = {own for own, template in entries if texts_of(template, path) is not None}
    assert table.methods(path) == fitting | ({"HEAD"} if "GET" in fitting else set())


@given(st.lists(st.tuples(METHODS, TEMPLATES), max_size=12), METHODS, TEMPLATES)
def test_at_sees_the_very_place(entries: list[tuple[str, str]], method: str, template: str) -> None:
    table = RouteTable((own, one, number) for number, (own, one) in enumerate(entries))
    same = [n for n, (own, one) in enumerate(entries) if own == method and place(one) == place(template)]
    assert table.at(method, template) == (same[0] if same else None)


@pytest.mark.parametrize(
    ("method", "path", "value", "texts"),
    [
        ("GET", "/items", 1, ()),
        ("HEAD", "/items", 1, ()),
        ("POST", "/items", 9, ("items",)),
        ("GET", "/items/new", 3, ()),
        ("DELETE", "/items/new", 4, ("new",)),
        ("GET", "/items/7", 2, ("7",)),
        ("GET", "/items/", 9, ("items/",)),
        ("PUT", "/files/a//b/", 5, ("a//b/",)),
        ("GET", "/files/", 5, ("",)),
        ("GET", "/files", 9, ("files",)),
        ("GET", "/", 9, ("",)),
        ("GET", "items", None, ()),
    ],
)
def test_a_literal_goes_before_a_variable_before_a_rest(
    method: str, path: str, value: int | None, texts: tuple[str, ...]
) -> None:
    table = RouteTable(
        [
            ("GET", "/items", 1),
            ("GET", "/items/{id}", 2),
            ("GET", "/items/new", 3),
            (ANY, "/items/{other}", 4),
            (ANY, "/files/{rest:path}", 5),
            (ANY, "/{all:path}", 9),
        ]
    )
    assert table.find(method, path) == (None if value is None else (value, texts))


def test_no_path_is_slow() -> None:
    """S35: a tree that branches at every level, and the worst path through it: every node once at most."""
    bits = ["/".join("{v}" if number >> at & 1 else "a" for at in range(11)) for number in range(2000)]
    table = RouteTable(("GET", "/" + text + "/end", number) for number, text in enumerate(bits))
    start = time.process_time()
    assert table.find("GET", "/" + "a/" * 11 + "nope") is None
    assert table.find("GET", "/" + "a/" * 100_000) is None
    assert time.process_time() - start < 0.5


ENTRIES = st.lists(st.tuples(METHODS, TEMPLATES), max_size=12)


@given(ENTRIES, ENTRIES, ENTRIES, METHODS, PATHS)
def test_a_changed_table_is_what_a_new_one_would_be_and_the_old_stays(
    first: list[tuple[str, str]], gone: list[tuple[str, str]], come: list[tuple[str, str]], method: str, path: str
) -> None:
    old = [(own, template, (0, number)) for number, (own, template) in enumerate(first)]
    new = [(own, template, (1, number)) for number, (own, template) in enumerate(come)]
    table = RouteTable(old)
    before = table.find(method, path), table.methods(path), len(table)
    changed = table.changed(gone, new)
    places = {(own, *place(template)) for own, template in gone}
    kept = [one for one in old if (one[0], *place(one[1])) not in places]
    fresh = RouteTable([*kept, *new])
    assert (changed.find(method, path), changed.methods(path), len(changed)) == (
        fresh.find(method, path),
        fresh.methods(path),
        len(fresh),
    )
    assert (table.find(method, path), table.methods(path), len(table)) == before


def test_what_left_leaves_nothing() -> None:
    entries = [("GET", "/a/{x}/b", 1), ("GET", "/a/{x}/{r:path}", 2), ("GET", "/a", 3)]
    table = RouteTable(entries)
    empty = table.changed([(method, template) for method, template, _ in entries])
    assert (len(empty), empty._exact, empty._root.is_empty, empty._is_plain) == (0, {}, True, True)
    assert len(table) == 3
