"""What gateways say to each other of loans: sealed, and opened by whoever has the same secret."""

from __future__ import annotations

from taskgate.runs.loans import Returned, Seal, Word, topic_of


def test_a_word_is_opened_as_it_was_sealed() -> None:
    seal = Seal(lambda: b"r" * 32)
    word: Word = Returned(["one", "two"])
    assert seal.opened(seal.sealed(word)) == word
    assert seal.token("one") != seal.token("two")
    assert seal.token("one") == Seal(lambda: b"r" * 32).token("one") != Seal(lambda: b"q" * 32).token("one")
    assert (topic_of(""), topic_of("g")) == ("loans", "loans:g")
