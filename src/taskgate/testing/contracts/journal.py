"""The contract of `Journal`: the one suite that judges every backend.

class TestMyJournal(JournalContract):
    @pytest.fixture
    async def journal(self): ...
    @pytest.fixture
    async def small_journal(self): ...      # subjects of at most `SMALL_BYTES`
"""

from __future__ import annotations

import asyncio

from taskgate.journal.entry import Appended
from taskgate.journal.ports import Journal
from taskgate.testing.contracts.appending import SMALL_BYTES, AppendContract
from taskgate.testing.contracts.tailing import FollowContract
from taskgate.testing.journals import append, everything, lines, seqs

__all__ = ["SMALL_BYTES", "JournalContract"]


class JournalContract(AppendContract, FollowContract):
    """Fixtures: `journal`, fresh; `small_journal`, fresh, whose subjects may cost `SMALL_BYTES` each."""

    # ---------------------------------------------------------------- seal

    async def test_a_sealed_subject_takes_nothing_more(self, journal: Journal) -> None:
        """Its writers are told that all is durable, so that they let go."""
        await append(journal, lines("s", [1, 2]))
        assert await journal.seal("s") == 2
        late = await append(journal, lines("s", [3, 4]), lines("s", [9]), lines("s", [0]), lines("t", [1]))
        assert late == [Appended(4, 0, 0), Appended(9, 0, 0), Appended(0, 0, 0), Appended(1, 1, 1)]
        assert await append(journal, lines("s", [3])) == [Appended(3, 0, 0)]
        assert await journal.seal("s") == 2
        assert seqs(await everything(journal, "s")) == [1, 2]

    async def test_an_empty_subject_can_be_sealed(self, journal: Journal) -> None:
        assert await journal.seal("s") == 0
        await append(journal, lines("s", [1]))
        assert await everything(journal, "s") == []

    async def test_a_seal_beside_writers_is_final(self, journal: Journal) -> None:
        """The number that a seal gives is the last one for ever, also when batches are on their way."""
        for turn in range(20):
            subject = f"s{turn}"
            writing = [asyncio.ensure_future(append(journal, lines(subject, [1], stream=str(n)))) for n in range(10)]
            for _ in range(turn % 4):
                await asyncio.sleep(0)
            if turn % 2:
                writing[-1].cancel()
            seals = list(await asyncio.gather(journal.seal(subject), journal.seal(subject)))
            late = asyncio.ensure_future(append(journal, lines(subject, [1], stream="late")))
            await asyncio.wait({*writing, late})
            assert seals == [len(await everything(journal, subject))] * 2

    # ---------------------------------------------------------------- purge

    async def test_a_purged_subject_has_never_been(self, journal: Journal) -> None:
        await append(journal, lines("s", [1, 2]), lines("t", [1]), lines("u", [1]))
        await journal.seal("s")
        await journal.purge(["s", "u", "unknown"])
        assert await everything(journal, "s") == await everything(journal, "u") == []
        assert seqs(await everything(journal, "t")) == [1]
        assert await append(journal, lines("s", [1])) == [Appended(1, 1, 1)]
        await journal.purge([])
        assert seqs(await everything(journal, "s")) == [1]

    async def test_what_is_kept_can_be_listed_by_name(self, journal: Journal) -> None:
        for subject in ("run-3", "run-1", "run-2"):
            await append(journal, lines(subject, [1]))
        assert await journal.stored("", "run-9", limit=10) == ["run-1", "run-2", "run-3"]
        assert await journal.stored("run-1", "run-3", limit=10) == ["run-2"]
        assert await journal.stored("", "run-9", limit=2) == ["run-1", "run-2"]
        await journal.purge(["run-2"])
        assert await journal.stored("", "run-9", limit=10) == ["run-1", "run-3"]

    async def test_many_subjects_at_once(self, journal: Journal) -> None:
        names = [f"s{number}" for number in range(400)]
        verdicts = await journal.append([lines(name, [1, 2]) for name in names])
        assert verdicts == [Appended(2, 2, 2)] * 400
        await journal.purge(names[:300])
        assert [len(await everything(journal, name)) for name in names] == [0] * 300 + [2] * 100
