"""Bytes become plain values, or are refused with a reason; YAML is that of OpenAPI."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.errors import InvalidInput
from taskgate.routes.openapi import parsing
from taskgate.routes.openapi.parsing import parsed

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=5))
def test_json_comes_through_as_it_is(told: dict[str, Any]) -> None:
    assert parsed(json.dumps(told).encode()) == told


def test_yaml_has_the_core_schema_of_1_2() -> None:
    told = parsed(
        b"date: 2026-01-31\nyes: no\n200: {ok: true}\noctal: 017\nhuge: 1e3\nnothing: ~\nempty:\ntext: '1'\nnull: 1\n"
    )
    assert told == {
        "date": "2026-01-31", "yes": "no", "200": {"ok": True}, "octal": 17, "huge": 1000.0,
        "nothing": None, "empty": None, "text": "1", "null": 1,
    }  # fmt: skip


def test_aliases_are_copies_and_merge_keys_work() -> None:
    told = parsed(b"a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}\n")
    assert told == {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}}
    assert told["a"] is not told["b"]


def bomb(levels: int, line: str) -> bytes:
    lines = ["a0: &a0 [x, x]"] + [line.format(n=n, p=n - 1) for n in range(1, levels)]
    return "\n".join(lines).encode()


REFUSED = {
    "no object": b"[1]",
    "text alone": b"hello",
    "empty": b"",
    "broken json": b'{"a": ',
    "broken yaml": b"a: [1\nb: }",
    "not utf-8": b"a: \xff",
    "half a character": b'{"a": "\\ud800"}',
    "not a number": b'{"a": NaN}',
    "deep json": b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "deep yaml": b"a: " + b"[" * 5000 + b"]" * 5000,
    "deep blocks": b"\n".join(b" " * n + b"a:" for n in range(200)),
    "aliases that multiply": bomb(40, "a{n}: &a{n} [*a{p}, *a{p}]"),
    "merge keys that multiply": b"a0: &a0 {k: 1}\n" + bomb(0, "")
    + b"\n".join(b"m%d: &m%d {<<: [*a0, *a0]}" % (n, n) for n in range(600)),
    "alias of itself": b"a: &a [*a]",
    "python objects": b"a: !!python/object/apply:os.system [ls]",
    "bytes": b"a: !!binary aGk=",
    "sets": b"a: !!set {x}",
    "a key that is a list": b"? [1]\n: 2",
    "two documents": b"a: 1\n---\nb: 2",
    "a huge number": b"a: " + b"1" * 5000,
    "too many values": b'{"a": [' + b"0," * 300_000 + b"0]}",
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parsed(REFUSED[name])
    assert caught.value.code == "DOCUMENT_INVALID"
    assert caught.value.detail


def test_sizes() -> None:
    with pytest.raises(InvalidInput, match="20 are read"):
        parsed(b'{"a": "' + b"x" * 20 + b'"}', max_bytes=20)
    with pytest.raises(InvalidInput, match="send it as JSON"):
        parsed(b"a: " + b"x" * parsing.MAX_YAML_BYTES)


def test_a_merge_that_doubles_ends() -> None:
    lines = [b"a0: &a0 {%s}" % b", ".join(b"k%d: 1" % n for n in range(50))]
    lines += [b"a%d: &a%d {<<: [*a%d, *a%d]}" % (n, n, n - 1, n - 1) for n in range(1, 40)]
    with pytest.raises(InvalidInput, match="merge keys multiply"):
        parsed(b"\n".join(lines))
