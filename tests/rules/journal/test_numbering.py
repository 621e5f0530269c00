"""Numbers for what comes in: gapless, each stream a prefix of what was sent, bounded in bytes and sources (INV-L1)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskgate.journal.entry import Batch, Draft, Entry
from taskgate.journal.numbering import ENTRY_BYTES, MAX_SOURCES, Subject, cost, dropped, number
from taskgate.testing.journals import lines

sources = st.tuples(st.integers(1, 3), st.sampled_from(["stdout", "stderr"]))
# A sender that repeats, skips, reorders and mixes in lines without a number.
sendings = st.lists(st.tuples(sources, st.lists(st.integers(0, 12), max_size=8)), max_size=40)


def draft(source: tuple[int, str], source_seq: int) -> Draft:
    return Draft(kind="log", at=0.0, text=f"{source[0]}-{source[1]}-{source_seq}", source_seq=source_seq)


@given(sendings=sendings)
def test_streams_are_prefixes_whatever_is_sent(sendings: list[tuple[tuple[int, str], list[int]]]) -> None:
    """INV-L1 and G-10: nothing twice, nothing out of order, nothing behind a gap; the verdict says what is there."""
    subject, stored = Subject(), list[Entry]()
    for source, numbers in sendings:
        drafts = tuple(draft(source, source_seq) for source_seq in numbers)
        entries, verdict = number(subject, Batch(subject="s", attempt=source[0], stream=source[1], drafts=drafts))
        stored += entries
        mine = [entry.text for entry in stored if (entry.attempt, entry.stream) == source and entry.text[-2:] != "-0"]
        assert mine == [f"{source[0]}-{source[1]}-{place}" for place in range(1, verdict.source_seq + 1)]
        assert (verdict.added_count, verdict.last_seq) == (len(entries), len(stored))
    assert [entry.seq for entry in stored] == list(range(1, len(stored) + 1))


@given(limit_bytes=st.integers(0, 3000), sizes=st.lists(st.integers(0, 300), max_size=60), split=st.integers(1, 7))
def test_a_subject_never_costs_more_than_its_limit(limit_bytes: int, sizes: list[int], split: int) -> None:
    """The entries up to the limit, one that says so, nothing more; the sender is never told to wait."""
    subject, stored = Subject(), list[Entry]()
    drafts = [Draft(kind="log", at=0.0, text="ß" * size, source_seq=place) for place, size in enumerate(sizes, 1)]
    for first in range(0, len(drafts), split):
        batch = Batch(subject="s", attempt=1, stream="log", drafts=tuple(drafts[first : first + split]))
        entries, verdict = number(subject, batch, limit_bytes=limit_bytes)
        stored += entries
        assert verdict.source_seq == batch.drafts[-1].source_seq
        assert verdict.full is subject.is_full
    kept = stored[:-1] if subject.is_full else stored
    assert [entry.text for entry in kept] == [one.text for one in drafts[: len(kept)]]
    assert sum(map(cost, kept)) == subject.stored_bytes <= limit_bytes
    if subject.is_full:
        assert stored[-1].fields == {"code": "LOG_TRUNCATED", "full": True}
        assert sum(map(cost, drafts[: len(kept) + 1])) > limit_bytes
    else:
        assert len(stored) == len(drafts)


def test_what_an_item_costs() -> None:
    assert cost(Draft(kind="log", at=0.0, text="abc")) == ENTRY_BYTES + 3
    assert cost(Draft(kind="log", at=0.0, text="\u20ac\U0001f600")) == ENTRY_BYTES + 7
    assert cost(Draft(kind="state", at=0.0, fields={"a": 1})) == ENTRY_BYTES + len('{"a":1}')


def test_a_sealed_subject_is_not_touched() -> None:
    subject = Subject(last_seq=4, sources={(1, "log"): 2}, is_sealed=True)
    batch = lines("s", [3, 4], stream="log")
    assert number(subject, batch) == ([], dropped(batch))
    assert subject == Subject(last_seq=4, sources={(1, "log"): 2}, is_sealed=True)


def test_new_attempts_push_out_the_oldest() -> None:
    """Only as many as needed, never the newest: an attempt that floods names only harms itself."""
    subject = Subject()
    for attempt in range(1, MAX_SOURCES):
        number(subject, lines("s", [1], attempt=attempt))
    number(subject, lines("s", [1], attempt=MAX_SOURCES - 1, stream="stderr"))
    number(subject, lines("s", [1], attempt=MAX_SOURCES - 1, stream="log"))
    assert len(subject.sources) == MAX_SOURCES
    assert (1, "stdout") not in subject.sources
    assert (2, "stdout") in subject.sources
    entries, verdict = number(subject, lines("s", [1, 2], attempt=2, stream="late"))
    assert (entries, verdict.source_seq) == ([], 2)
