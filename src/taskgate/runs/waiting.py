"""Callers that wait for the end of runs.

A watch is opened before the ledger is asked, so an end that happens in between is not missed. Ends are told by
the bus within this process; an end at another gateway is told by `tidings`, or found by asking the ledger again. One
watch serves any number of runs, and costs one dictionary entry for each.

Who submits many runs and then waits finds most of them ended: the last ones are remembered whole, so that the ledger
is asked only whether they are there, and not for all that they are. A run that succeeded at its first attempt never
changes again, and no other is remembered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TypeVar

from taskgate.bus import Bus
from taskgate.events import RunFinished
from taskgate.runs.run import Run, Status

W = TypeVar("W", bound="Watch")
REMEMBERED_BYTES = 16 << 20
OWN_BYTES = 1_536  # of a run beside its input and output, about


class Watch:
    """The ends of some runs, from the moment it was opened. Use it as a context manager."""

    __slots__ = ("_ended", "_news", "_waiters", "run_ids")

    def __init__(self, waiters: Waiters, run_ids: tuple[str, ...]) -> None:
        self._waiters = waiters
        self._news = asyncio.Event()
        self._ended: list[Run] = []
        self.run_ids = run_ids

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self._waiters.close(self)

    def told(self, run: Run) -> None:
        """One of the runs has ended."""
        self._ended.append(run)
        self._news.set()

    async def first(self, timeout_s: float, *, linger_s: float = 0.0) -> list[Run]:
        """The runs that ended, `linger_s` after the first of them, [] at the timeout."""
        try:
            async with asyncio.timeout(max(timeout_s, 0.0)):
                await self._news.wait()
        except TimeoutError:
            return self._ended
        if linger_s and len(self._ended) < len(self.run_ids):
            await asyncio.sleep(linger_s)
        return self._ended


class FutureWatch(Watch):
    """The end of one run as a future; cancel it to stop waiting."""

    __slots__ = ("future",)

    def __init__(self, waiters: Waiters, run_ids: tuple[str, ...]) -> None:
        super().__init__(waiters, run_ids)
        self.future: asyncio.Future[Run] = asyncio.get_running_loop().create_future()
        self.future.add_done_callback(lambda _: waiters.close(self))

    def told(self, run: Run) -> None:
        """The run has ended."""
        if not self.future.done():
            self.future.set_result(run)


class Remembered:
    """The runs that ended last, the oldest given up for newer ones."""

    def __init__(self, room_bytes: int = REMEMBERED_BYTES) -> None:
        self._runs: dict[str, Run] = {}
        self._left_bytes = room_bytes

    def keep(self, run: Run) -> None:
        """Remember a run that nothing changes any more."""
        if run.status is not Status.SUCCEEDED or run.attempt > 1 or run.id in self._runs:
            return
        self._runs[run.id] = run
        self._left_bytes -= _bytes_of(run)
        while self._left_bytes < 0:
            self.take(next(iter(self._runs)))

    def take(self, run_id: str) -> Run | None:
        """The run, once: whoever asks again asks the ledger."""
        run = self._runs.pop(run_id, None)
        if run is not None:
            self._left_bytes += _bytes_of(run)
        return run


class Waiters:
    """The open watches, by run id, and the ends that nobody watched."""

    def __init__(self, bus: Bus) -> None:
        self._watches: dict[str, list[Watch]] = {}
        self.remembered = Remembered()
        bus.subscribe(RunFinished, lambda event: self.tell(event.run))

    def __len__(self) -> int:
        return len(self._watches)

    def __contains__(self, run_id: object) -> bool:
        return run_id in self._watches

    def run_ids(self) -> list[str]:
        """Every run that somebody waits for."""
        return list(self._watches)

    def watch(self, run_ids: Iterable[str]) -> Watch:
        """Watch these runs until the watch is closed."""
        return self._open(Watch(self, tuple(run_ids)))

    def future(self, run_id: str) -> asyncio.Future[Run]:
        """The end of this run as a future."""
        return self._open(FutureWatch(self, (run_id,))).future

    def close(self, watch: Watch) -> None:
        """Forget a watch."""
        for run_id in watch.run_ids:
            watches = self._watches.get(run_id)
            if watches is not None and watch in watches:
                watches.remove(watch)
                if not watches:
                    del self._watches[run_id]

    def tell(self, run: Run) -> None:
        """This run has ended."""
        watches = self._watches.pop(run.id, ())
        for watch in watches:
            watch.told(run)
        if not watches:
            self.remembered.keep(run)

    def _open(self, watch: W) -> W:
        for run_id in watch.run_ids:
            self._watches.setdefault(run_id, []).append(watch)
        return watch


def _bytes_of(run: Run) -> int:
    return OWN_BYTES + len(run.input) + len(run.output or b"")
