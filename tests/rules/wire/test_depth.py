"""Depth is counted as a parser would count it, and quickly."""

from __future__ import annotations

import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.wire.depth import is_too_deep

JSON = st.recursive(
    st.none() | st.text() | st.integers(0, 9),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


def depth_of(value: object) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if parts is None else 1 + max((depth_of(part) for part in parts), default=0)


@given(JSON, st.integers(0, 6))
def test_depth_is_what_a_parser_sees(value: object, deepest: int) -> None:
    assert is_too_deep(msgspec.json.encode(value), deepest=deepest) == (depth_of(value) > deepest)


@pytest.mark.parametrize(
    "text", [b'"' + b"[" * 999 + b'"', b'["' + b'\\"[' * 500 + b'"]', b"[" + b"[]," * 999 + b"[]]"]
)
def test_brackets_in_texts_and_beside_each_other_are_no_depth(text: bytes) -> None:
    assert not is_too_deep(text)


def test_f24_a_million_levels_are_refused_within_a_second() -> None:
    began = time.process_time()
    assert is_too_deep(b"[" * 1_000_000 + b"]" * 1_000_000)
    assert time.process_time() - began < 1.0
