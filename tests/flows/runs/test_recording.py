"""Lines on their way to a journal that hangs, fails or is slow: bounded, never lost, and in nobody's way (G-10)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace

import pytest

from taskgate.edge.workers.recording import OWN_BYTES, Recording, weight_of
from taskgate.errors import Unavailable
from taskgate.journal.allowance import Allowance
from taskgate.lifespan import TaskSet
from taskgate.wire.messages import Log, LogAck, LogLine, Progress, Receipt, TaskResult

WORKER = SimpleNamespace(id="w1", serves=lambda _: True)


class SlowNarrator:
    """Records when it is let; refuses while it is away."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.is_away = False
        self.recorded: list[Log | Progress] = []
        self.asked = asyncio.Event()

    async def record(self, messages: Sequence[Log | Progress], _: object) -> tuple[list[LogAck], list[Receipt]]:
        self.asked.set()
        await self.may.wait()
        if self.is_away:
            raise Unavailable("away")
        self.recorded += messages
        acks = [
            LogAck(run_id=one.run_id, attempt=one.attempt, stream=one.stream, seq=one.lines[-1].seq)
            for one in messages
            if isinstance(one, Log)
        ]
        return acks, []


class Desk:
    """A connection with its recording, and what was told of it."""

    def __init__(self, allowance: Allowance) -> None:
        self.narrator = SlowNarrator()
        self.acks: list[LogAck] = []
        self.results: list[TaskResult] = []
        self.again = asyncio.Event()
        self.told = asyncio.Event()
        self.tasks = TaskSet()
        self.recording = Recording(
            self.narrator,  # type: ignore[arg-type]
            allowance,
            tell=self._told,
            again=self.again.set,
            tasks=self.tasks,
        )

    def _told(self, acks: list[LogAck], stale: list[Receipt], results: list[TaskResult]) -> None:
        self.acks += acks
        self.results += results
        self.told.set()


def log(seq: int, size: int = 100, *, run: str = "r1") -> Log:
    line = LogLine(seq=seq, at=1.0, text="x" * size)
    return Log(run_id=run, attempt=1, lease_token="t", stream="stdout", lines=[line])


def result(run: str = "r1") -> TaskResult:
    return TaskResult(run_id=run, attempt=1, lease_token="t", status="ok")


@pytest.fixture
def allowance() -> Allowance:
    return Allowance(10_000)


@pytest.fixture
async def desk(allowance: Allowance) -> AsyncIterator[Desk]:
    desk = Desk(allowance)
    yield desk
    await desk.tasks.close()


async def soon(event: asyncio.Event) -> None:
    async with asyncio.timeout(20):
        await event.wait()


async def test_a_result_waits_for_its_own_lines_alone(desk: Desk) -> None:
    desk.recording.take([log(1)], WORKER, keeps=True)
    assert desk.recording.ready([result(), result("silent")]) == [result("silent")]
    await soon(desk.narrator.asked)
    assert (desk.acks, desk.results) == ([], [])
    desk.narrator.may.set()
    await soon(desk.told)
    assert ([ack.seq for ack in desk.acks], desk.results) == ([1], [result()])
    assert desk.recording.ready([result()]) == [result()]


async def test_g10_lines_outlive_a_journal_that_is_away(desk: Desk, allowance: Allowance) -> None:
    desk.narrator.is_away = True
    desk.narrator.may.set()
    desk.recording.take([log(1)], WORKER, keeps=True)
    await soon(desk.narrator.asked)
    desk.recording.take([log(2)], WORKER, keeps=True)
    await desk.recording.finish()
    assert desk.recording.is_failing
    desk.narrator.is_away = False
    await soon(desk.told)
    assert [one.lines[0].seq for one in desk.narrator.recorded if isinstance(one, Log)] == [1, 2]
    assert allowance.used_bytes == 0


async def test_g10_beyond_the_allowance_nothing_grows_and_nothing_is_acknowledged(allowance: Allowance) -> None:
    """Fifty connections flood a journal that hangs; when it is back the deaf ones are told to say it all again."""
    desks = [Desk(allowance) for _ in range(50)]
    for number in range(1, 101):
        for desk in desks:
            desk.recording.take([log(number, 1000)], WORKER, keeps=True)
    assert 0 < allowance.used_bytes <= allowance.limit_bytes
    for desk in desks:
        assert desk.recording.ready([result()]) == []
        desk.narrator.may.set()
    for desk in desks:
        await soon(desk.again)
        seqs = [one.lines[0].seq for one in desk.narrator.recorded if isinstance(one, Log)]
        assert seqs == list(range(1, len(seqs) + 1))
        assert len(seqs) <= 10
        assert desk.results == []
        await desk.tasks.close()
    assert allowance.used_bytes == 0


async def test_a_simple_client_is_not_read_instead(allowance: Allowance) -> None:
    desk = Desk(allowance)
    desk.recording.take([log(1, 20_000)], WORKER, keeps=False)
    reading = asyncio.ensure_future(desk.recording.room(keeps=False))
    await soon(desk.narrator.asked)
    assert not reading.done()
    desk.narrator.may.set()
    async with asyncio.timeout(20):
        await reading
    assert len(desk.narrator.recorded) == 1
    await desk.tasks.close()


async def test_a_worker_that_ignores_its_window_is_not_read() -> None:
    desk = Desk(Allowance(10 * OWN_BYTES))
    desk.recording.take([log(1, OWN_BYTES)], WORKER, keeps=True)
    reading = asyncio.ensure_future(desk.recording.room(keeps=True))
    await soon(desk.narrator.asked)
    assert not reading.done()
    desk.recording.close()
    async with asyncio.timeout(20):
        await reading
    await desk.tasks.close()
    desk.recording.forget()


def test_a_message_weighs_what_its_sender_counts() -> None:
    assert weight_of(log(1, 10)) == 74
    assert weight_of(Progress(run_id="r", attempt=1, lease_token="t", seq=1, fraction=0.5, at=1.0, text="ab")) == 66
