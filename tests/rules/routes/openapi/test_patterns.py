"""Texts for simple patterns fit them; for others there is none, and hostile ones cost nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.routes.openapi.patterns import text_for

PIECES = st.sampled_from(
    ["a", "7", "-", "\\.", "\\d", "\\w", "[A-F0-9]", "[a-z]", ".", "(cat|dog)", "(?:x)", "\\-", "é"]
)
COUNTS = st.sampled_from(["", "?", "*", "+", "{3}", "{2,4}", "{1,}", "+?"])


@given(st.lists(st.tuples(PIECES, COUNTS), max_size=6), st.booleans(), st.booleans())
def test_what_is_made_fits(parts: list[tuple[str, str]], start: bool, end: bool) -> None:
    pattern = "^" * start + "".join(piece + count for piece, count in parts) + "$" * end
    text = text_for(pattern)
    assert text is not None
    assert re.search(pattern, text)


@pytest.mark.parametrize(
    "pattern", ["a|b", "(a+)+$", "(?=a)b", "[^a]", "(a(b))", "\\bword", "(", "[", "\\1", "a{500}", "x" * 201, "[\\w-]+"]
)
def test_others_have_none(pattern: str) -> None:
    assert text_for(pattern) is None
