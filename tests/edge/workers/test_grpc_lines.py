"""One stream of log lines: whose lease is looked at, what is acknowledged when, and what bounds it (INV-L1)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from taskgate.edge.grpc import lines as door
from taskgate.edge.grpc.lines import BATCH_BYTES, Lines, Read
from taskgate.errors import Forbidden, LeaseLost, Limited, RemoteLinkError, TooSlow, Unavailable
from taskgate.journal.allowance import Allowance
from taskgate.runs.narrating import Narrator
from taskgate.wire.link import Limits
from taskgate.wire.messages import Log, LogAck, LogLine, Receipt

NOBODY = "r-lost"


def log(run_id: str = "r1", *, seq: int = 1, stream: str = "stdout", text: str = "line", attempt: int = 1) -> Log:
    return Log(run_id=run_id, attempt=attempt, lease_token="t", stream=stream, lines=[LogLine(seq=seq, text=text)])


def reading(logs: Sequence[Log]) -> Read:
    """All of them at once, then the end."""
    left = iter(logs)

    async def read() -> Log | None:
        return next(left, None)

    return read


class Book:
    """Stands where the journal is written: `gate` holds a commit up, `batches` are those that came."""

    def __init__(self) -> None:
        self.batches: list[list[Log]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.writing = asyncio.Event()

    async def record(self, logs: Sequence[Log], _: object) -> tuple[list[LogAck], list[Receipt]]:
        self.batches.append(list(logs))
        self.writing.set()
        await self.gate.wait()
        good = [one for one in logs if one.run_id != NOBODY]
        acks = [LogAck(run_id=o.run_id, attempt=o.attempt, stream=o.stream, seq=o.lines[-1].seq) for o in good]
        gone = [one for one in logs if one.run_id == NOBODY]
        return acks, [Receipt(run_id=o.run_id, attempt=o.attempt, lease_token=o.lease_token) for o in gone]


async def anybody(_: Receipt) -> None: ...


def lines_of(book: Book, *, check: Any = anybody, allowance: Allowance | None = None) -> Lines:
    return Lines(cast("Narrator", book), check=check, allowance=allowance or Allowance())


async def test_the_lease_of_every_run_and_attempt_is_looked_at_once() -> None:
    looked: list[tuple[str, int]] = []

    async def check(receipt: Receipt) -> None:
        looked.append((receipt.run_id, receipt.attempt))
        if receipt.run_id == "theirs":
            raise Forbidden("another's", code="WRONG_WORKER")

    book = Book()
    said = [log("r1"), log("r1", seq=2), log("r2"), log("r2", attempt=2)]
    await lines_of(book, check=check).keep(reading(said))
    assert looked == [("r1", 1), ("r2", 1), ("r2", 2)]
    with pytest.raises(Forbidden):
        await lines_of(book, check=check).keep(reading([log("r1", seq=3), log("theirs")]))
    assert [one.run_id for batch in book.batches for one in batch].count("theirs") == 0


async def test_every_stream_of_every_attempt_has_its_own_last_number() -> None:
    said = [log(seq=1), log(seq=2), log(stream="stderr", seq=1), log("r2", seq=7), log(attempt=2, seq=3)]
    acks, stale = await lines_of(Book()).keep(reading(said))
    assert {(ack.run_id, ack.attempt, ack.stream): ack.seq for ack in acks} == {
        ("r1", 1, "stdout"): 2,
        ("r1", 1, "stderr"): 1,
        ("r2", 1, "stdout"): 7,
        ("r1", 2, "stdout"): 3,
    }
    assert stale == []


async def test_nothing_is_acknowledged_before_it_is_durable() -> None:
    book = Book()
    book.gate.clear()
    keeping = asyncio.create_task(lines_of(book).keep(reading([log()])))
    await asyncio.wait_for(book.writing.wait(), 10)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not keeping.done()
    book.gate.set()
    acks, _ = await keeping
    assert [ack.seq for ack in acks] == [1]


async def test_what_came_during_a_commit_is_the_next_one_and_bounded() -> None:
    """A reader that never pauses cannot make a batch of more than one batch's bytes and one message."""
    text = "x" * 1000
    book = Book()
    said = [log(seq=seq, text=text) for seq in range(1, 1500)]
    acks, _ = await lines_of(book).keep(reading(said))
    assert [ack.seq for ack in acks] == [1499]
    assert [one.lines[0].seq for batch in book.batches for one in batch] == list(range(1, 1500))
    assert max(sum(len(line.text) + 64 for one in batch for line in one.lines) for batch in book.batches) <= (
        BATCH_BYTES + len(text) + 64
    )


async def test_lost_leases_are_told_and_alone_they_are_the_answer() -> None:
    acks, stale = await lines_of(Book()).keep(reading([log(), log(NOBODY)]))
    assert ([ack.run_id for ack in acks], [receipt.run_id for receipt in stale]) == (["r1"], [NOBODY])
    with pytest.raises(LeaseLost):
        await lines_of(Book()).keep(reading([log(NOBODY)]))


@pytest.mark.parametrize("count", [0, 1])
async def test_a_batch_of_too_many_lines_or_too_long_ones_is_refused(count: int) -> None:
    limits = Limits()
    book = Book()
    most = Log(
        run_id="r1",
        attempt=1,
        lease_token="t",
        stream="stdout",
        lines=[
            LogLine(seq=seq, text="x" * (limits.line_chars if seq == 1 else 0))
            for seq in range(1, limits.log_lines + 1)
        ],
    )
    extra = LogLine(seq=limits.log_lines + 1, text="")
    if not count:
        await lines_of(book).keep(reading([most]))
        return
    with pytest.raises(RemoteLinkError) as refused:
        await lines_of(book).keep(reading([Log(**{**_fields(most), "lines": [*most.lines, extra]})]))
    assert (refused.value.code, book.batches) == ("BAD_LOG", [])
    with pytest.raises(RemoteLinkError):
        await lines_of(book).keep(reading([log(text="x" * (limits.line_chars + 1))]))


def _fields(message: Log) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__struct_fields__}


async def test_a_journal_that_does_not_answer_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "RECORD_S", 0.05)
    book, allowance = Book(), Allowance(1000)
    book.gate.clear()
    async with asyncio.timeout(10):
        with pytest.raises(Unavailable) as refused:
            await lines_of(book, allowance=allowance).keep(reading([log()]))
    assert (refused.value.code, refused.value.retry_after_s, allowance.used_bytes) == ("STORE_SLOW", 1.0, 0)


async def test_what_may_wait_for_the_journal_is_bounded_and_given_back() -> None:
    book, allowance = Book(), Allowance(1000)
    with allowance.taken(990), pytest.raises(Limited):
        await lines_of(book, allowance=allowance).keep(reading([log()]))
    assert (book.batches, allowance.used_bytes) == ([], 0)
    await lines_of(book, allowance=allowance).keep(reading([log()]))
    assert allowance.used_bytes == 0


async def test_a_stream_that_says_nothing_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "SILENT_S", 0.05)

    async def silent() -> Log | None:
        await asyncio.Event().wait()
        return None

    async with asyncio.timeout(10):
        with pytest.raises(TooSlow) as refused:
            await lines_of(Book()).keep(silent)
    assert refused.value.code == "SILENT"
