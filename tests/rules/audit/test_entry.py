"""What stands in the log of an odd name: something that every store keeps and every terminal shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.audit.entry import MAX_TEXT, Deed, encoded, storable


@given(st.text(max_size=2 * MAX_TEXT, alphabet=st.characters(codec=None)))
def test_a_storable_text_is_one_printable_line(text: str) -> None:
    told = storable(text)
    assert told.isprintable()
    assert len(told) <= MAX_TEXT
    assert told.encode("utf-8").decode() == told
    assert encoded(Deed(at=1.0, action="a", outcome="done", subject=told))


@pytest.mark.parametrize("text", ["", "gpu-1", "Köln ☃ 😀", "x" * MAX_TEXT])
def test_what_can_be_kept_stands_as_it_is(text: str) -> None:
    assert storable(text) == text


def test_what_cannot_stands_as_its_escape() -> None:
    assert storable("a\x00b\n\ud800\u202e") == r"a\x00b\n\ud800\u202e"
    assert storable("x" * 300) == "x" * MAX_TEXT
