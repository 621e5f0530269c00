"""Lineages: taking a token back ends what came after it and nothing that came before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.identity.lineage import comes_of, entry_of, is_ended, is_lineage, next_of, place_of
from taskgate.ids import new_token


def grown(token_id: str, count: int) -> list[str]:
    """A token and the next generations of it."""
    line = [token_id]
    for _ in range(count):
        line.append(f"jti:{next_of(line[-1])}")
    return line


@given(st.integers(0, 30), st.integers(0, 30))
def test_a_generation_ends_with_those_before_it(taken: int, asked: int) -> None:
    line = grown(f"jti:{new_token()}", 30)
    lineage = (entry_of(line[asked]),)
    assert comes_of(lineage, line[taken]) is (asked >= taken)
    mark, generation = place_of(line[taken])
    assert is_ended(lineage, {mark: generation}) is (asked >= taken)


def test_children_end_with_their_forebears_and_never_the_other_way() -> None:
    parent, child, other = (f"jti:{new_token()}" for _ in range(3))
    of_child, of_other = (entry_of(parent), entry_of(child)), (entry_of(parent), entry_of(other))
    assert comes_of(of_child, parent)
    assert comes_of(of_other, parent)
    assert not comes_of(of_other, child)
    assert not comes_of((entry_of(parent),), child)


def test_an_issuers_token_has_a_line_of_its_own_whatever_its_name() -> None:
    """A foreign `jti` that looks like a generation of one of ours is none."""
    own = new_token()
    assert place_of(f"jti:corp:{own}.3.abcdefgh")[1] == 0
    assert not comes_of((entry_of(f"jti:corp:{own}"),), f"jti:{own}")
    with pytest.raises(ValueError, match="ours"):
        next_of("jti:corp:x")


@pytest.mark.parametrize("name", ["", "corp:alice", "spiffe://mesh.example/w", "abcdefghijkl"])
def test_only_a_tokens_name_ends_a_line(name: str) -> None:
    assert not comes_of((entry_of("jti:x"),), name)


@pytest.mark.parametrize("word", ["", "short.1", "abcdefgh", "abcdefgh.", "abcdefgh.-1", "abcdefgh.01", "abcdefgh.1 "])
def test_what_is_no_lineage_is_seen(word: str) -> None:
    assert not is_lineage([word])
