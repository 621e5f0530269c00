"""`Journal.append` and `read`: one gapless sequence per subject, repeats dropped, cut at a gap (INV-L1).

Text comes out as it went in (INV-L3), and what a subject and a page may cost is bounded (INV-S4).
"""

from __future__ import annotations

import asyncio
import codecs
from random import Random

from taskgate.journal.entry import Appended, Batch, Draft, Entry
from taskgate.journal.numbering import ENTRY_BYTES, MAX_SOURCES
from taskgate.journal.page import PAGE_BYTES
from taskgate.journal.ports import Journal
from taskgate.testing.journals import append, everything, lines, seqs, texts

SMALL_BYTES = 2000


class AppendContract:
    """Fixtures: `journal`, fresh; `small_journal`, fresh, whose subjects may cost `SMALL_BYTES` each."""

    # ---------------------------------------------------------------- numbers

    async def test_numbers_begin_at_one_and_have_no_gap(self, journal: Journal) -> None:
        """INV-L1: one sequence per subject, whatever attempts and streams come together in it."""
        verdicts = await append(
            journal,
            lines("s", [1, 2]),
            lines("s", [1], stream="stderr"),
            lines("t", [1]),
            lines("s", [1, 2, 3], attempt=2),
        )
        assert verdicts == [Appended(2, 2, 2), Appended(1, 1, 3), Appended(1, 1, 1), Appended(3, 3, 6)]
        found = await everything(journal, "s")
        assert [(entry.seq, entry.attempt, entry.stream, entry.text) for entry in found] == [
            (1, 1, "stdout", "line 1"),
            (2, 1, "stdout", "line 2"),
            (3, 1, "stderr", "line 1"),
            (4, 2, "stdout", "line 1"),
            (5, 2, "stdout", "line 2"),
            (6, 2, "stdout", "line 3"),
        ]
        assert seqs(await everything(journal, "t")) == [1]

    async def test_repeats_are_dropped(self, journal: Journal) -> None:
        """INV-L1: by (attempt, stream, source number); the same number elsewhere is no repeat."""
        await append(journal, lines("s", [1, 2, 3]))
        assert await append(journal, lines("s", [2, 3, 4])) == [Appended(4, 1, 4)]
        assert await append(journal, lines("s", [1, 2, 3, 4])) == [Appended(4, 0, 4)]
        assert await append(journal, lines("s", [1, 1, 1], stream="log")) == [Appended(1, 1, 5)]
        assert await append(journal, lines("s", [1], attempt=2)) == [Appended(1, 1, 6)]
        assert texts(await everything(journal, "s")) == [*(f"line {n}" for n in (1, 2, 3, 4)), "line 1", "line 1"]

    async def test_a_gap_cuts_the_batch(self, journal: Journal) -> None:
        """INV-L1: the sender sends again from the gap, and nothing is out of order."""
        assert await append(journal, lines("s", [1, 2, 4, 5])) == [Appended(2, 2, 2)]
        assert await append(journal, lines("s", [4, 5])) == [Appended(2, 0, 2)]
        assert await append(journal, lines("s", [3, 4, 5])) == [Appended(5, 3, 5)]
        assert await append(journal, lines("other", [2])) == [Appended(0, 0, 0)]
        assert texts(await everything(journal, "s")) == [f"line {n}" for n in range(1, 6)]
        assert await everything(journal, "other") == []

    async def test_what_has_no_number_is_always_kept(self, journal: Journal) -> None:
        for _ in range(2):
            await append(journal, lines("s", [0, 0], text="state"))
        assert await append(journal, lines("s", [1, 0, 1, 2])) == [Appended(2, 3, 7)]
        assert seqs(await everything(journal, "s")) == list(range(1, 8))

    async def test_nothing_appended_is_nothing(self, journal: Journal) -> None:
        assert await journal.append([]) == []
        assert await append(journal, lines("s", [])) == [Appended(0, 0, 0)]
        assert await everything(journal, "s") == []
        await append(journal, lines("s", [1]))
        assert await append(journal, lines("s", [])) == [Appended(1, 0, 1)]

    async def test_batches_of_one_append_follow_each_other(self, journal: Journal) -> None:
        assert await append(journal, lines("s", [1]), lines("s", [1, 2]), lines("s", [4])) == [
            Appended(1, 1, 1),
            Appended(2, 1, 2),
            Appended(2, 0, 2),
        ]

    async def test_many_writers_at_once(self, journal: Journal) -> None:
        """INV-L1: every stream in its own order, the subject without a gap, whoever commits together."""

        async def talk(stream: str) -> None:
            for first in range(1, 40, 3):
                assert (await append(journal, lines("s", range(first, first + 3), stream=stream)))[0].added_count == 3

        streams = [f"stream-{number}" for number in range(8)]
        await asyncio.gather(*map(talk, streams))
        found = await everything(journal, "s")
        assert seqs(found) == list(range(1, 8 * 39 + 1))
        for stream in streams:
            assert [e.text for e in found if e.stream == stream] == [f"line {n}" for n in range(1, 40)]

    # ---------------------------------------------------------------- entries

    async def test_an_entry_is_kept_as_it_was_given(self, journal: Journal) -> None:
        drafts = (
            Draft(kind="log", at=1.1, text='a "ü" \u2028 \x00 \U0001f600\t\n', level="warning", source_seq=1),
            Draft(kind="progress", at=1 / 3, text="half", fraction=0.5, source_seq=2),
            Draft(kind="state", at=2e9, text="running", fields={"attempt": 1, "deep": [{"x": None}], "ß": 1.5}),
        )
        await append(journal, Batch(subject="s", attempt=7, stream="größe", drafts=drafts))
        assert await everything(journal, "s") == [
            Entry(
                seq=place,
                kind=draft.kind,
                at=draft.at,
                text=draft.text,
                stream="größe",
                level=draft.level,
                attempt=7,
                fraction=draft.fraction,
                fields=draft.fields,
            )
            for place, draft in enumerate(drafts, 1)
        ]

    async def test_torn_characters_never_show(self, journal: Journal) -> None:
        """INV-L3: output cut anywhere and decoded on the way comes out of the journal byte for byte."""
        rng = Random(3)
        source = "".join(rng.choice("aß\u20ac\U0001f600\n") for _ in range(5000)).encode()
        decoder = codecs.getincrementaldecoder("utf-8")()
        pieces, at = [], 0
        while at < len(source):
            size = rng.randrange(1, 9)
            pieces.append(decoder.decode(source[at : at + size]))
            at += size
        for first in range(0, len(pieces), 100):
            drafts = tuple(
                Draft(kind="log", at=0.0, text=text, source_seq=number)
                for number, text in enumerate(pieces[first : first + 100], first + 1)
            )
            await append(journal, Batch(subject="s", attempt=1, stream="stdout", drafts=drafts))
        assert "".join(texts(await everything(journal, "s", limit=77))).encode() == source

    # ---------------------------------------------------------------- bounds

    async def test_a_full_subject_says_so_once(self, small_journal: Journal) -> None:
        """The rest is dropped, its sender is told that it is durable, and others are not touched."""
        text = "x" * (100 - ENTRY_BYTES)
        fitting = SMALL_BYTES // 100
        verdicts = await append(small_journal, lines("s", range(1, fitting + 4), text=text), lines("t", [1], text=text))
        assert verdicts == [Appended(fitting + 3, fitting + 1, fitting + 1, True), Appended(1, 1, 1)]
        late = await append(small_journal, lines("s", range(fitting + 4, fitting + 9)), lines("s", [0, 0]))
        assert late == [Appended(fitting + 8, 0, fitting + 1, True), Appended(fitting + 8, 0, fitting + 1, True)]
        found = await everything(small_journal, "s")
        assert texts(found[:-1]) == [text] * fitting
        assert (found[-1].kind, found[-1].level, found[-1].fields) == (
            "log",
            "warning",
            {"code": "LOG_TRUNCATED", "full": True},
        )
        assert "dropped" in found[-1].text

    async def test_bytes_are_counted_not_characters(self, small_journal: Journal) -> None:
        text = "\U0001f600" * ((500 - ENTRY_BYTES) // 4)
        assert (await append(small_journal, lines("s", range(1, 10), text=text)))[0].added_count == 5
        fields = {"list": ["x" * 400]}
        drafts = tuple(Draft(kind="state", at=0.0, fields=fields) for _ in range(10))
        assert (await append(small_journal, Batch(subject="t", attempt=1, stream="", drafts=drafts)))[0].full

    async def test_a_flood_of_sources_is_bounded(self, journal: Journal) -> None:
        """New attempts push out the oldest, never each other; an attempt with too many streams is cut short."""
        many = [lines("s", [1], stream=str(number)) for number in range(MAX_SOURCES + 5)]
        verdicts = await journal.append(many)
        assert [verdict.added_count for verdict in verdicts] == [1] * MAX_SOURCES + [0] * 5
        assert verdicts[-1].source_seq == 1
        assert (await append(journal, lines("s", [1, 2], attempt=2)))[0].added_count == 2
        assert (await append(journal, lines("s", [1, 2, 3], attempt=2)))[0].added_count == 1

    # ---------------------------------------------------------------- pages

    async def test_pages(self, journal: Journal) -> None:
        for first in range(1, 101, 7):
            await append(journal, lines("s", range(first, min(first + 7, 101))))
        for after, limit in [(0, 10), (0, 100), (6, 8), (7, 7), (99, 5), (-1, 3), (50, 1)]:
            expected = list(range(max(after, 0) + 1, min(max(after, 0) + limit, 100) + 1))
            assert seqs(await journal.read("s", after, limit=limit)) == expected
        assert list(await journal.read("s", 100, limit=5)) == []
        assert list(await journal.read("s", 1000, limit=5)) == []
        assert list(await journal.read("unknown", 0, limit=5)) == []

    async def test_pages_are_bounded_by_bytes(self, journal: Journal) -> None:
        """INV-S4: however large the entries are, a reader never has to take much more than a page at once."""
        text = "x" * (200 << 10)
        for first in (1, 8):
            await append(journal, lines("s", range(first, first + 7), text=text))
        await append(journal, lines("s", [15], text="x" * (PAGE_BYTES + 1)), lines("s", [16], text="last"))
        pages, after = [], 0
        while page := await journal.read("s", after, limit=1000):
            after = page[-1].seq
            pages.append(page)
        assert seqs([entry for page in pages for entry in page]) == list(range(1, 17))
        assert all(sum(len(entry.text) for entry in page) <= PAGE_BYTES or len(page) == 1 for page in pages)
        assert len(pages) >= 4

    async def test_a_durable_line_is_read_at_once(self, journal: Journal) -> None:
        async def talk(subject: str) -> None:
            for number in range(1, 20):
                await append(journal, lines(subject, [number]))
                assert seqs(await everything(journal, subject, limit=5)) == list(range(1, number + 1))

        await asyncio.gather(*(talk(f"s{number}") for number in range(5)))
