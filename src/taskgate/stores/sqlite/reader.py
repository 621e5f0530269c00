"""Reading without waiting for writers: a thread with a read-only connection.

Every statement begins a snapshot of its own, after its call was submitted; so an answer is never older than
any commit that its caller could know of. Calls of one kind that queued up are read together.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import apsw

from taskgate.stores.sqlite.failures import is_general, translated
from taskgate.stores.sqlite.lane import Call, Lane
from taskgate.stores.sqlite.opening import open_reader
from taskgate.stores.sqlite.writer import Item, Outcome, Perform

_log = logging.getLogger(__name__)


class Reader:
    """Owns one reading connection. The file must exist: start it after the writer. `probe` is called at `before_read`
    in tests."""

    def __init__(self, path: Path, *, probe: Callable[[str], None] | None = None, name: str = "sqlite reader") -> None:
        self._path = path
        self._probe = probe
        self._connection: apsw.Connection | None = None
        self._lane = Lane(name, opened=self._open, work=self._work, rested=_rest, closed=self._close)

    async def start(self) -> None:
        """Open the file for reading."""
        await self._lane.start()

    async def stop(self) -> None:
        """Answer what was asked, then close. Safe to call twice."""
        await self._lane.stop()

    def submit(self, perform: Perform[Item, Outcome], item: Item) -> asyncio.Future[Outcome]:
        """Have an item read. Fails with Unavailable or StoreError."""
        return self._lane.submit(perform, item)

    # ---------------------------------------------------------------- in the thread

    def _open(self) -> None:
        self._connection = open_reader(self._path)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _work(self, batch: list[Call]) -> None:
        if self._probe is not None:
            self._probe("before_read")
        kinds: dict[Callable[..., Sequence[object]], list[Call]] = {}
        for call in batch:
            kinds.setdefault(call.perform, []).append(call)
        for perform, calls in kinds.items():
            try:
                outcomes = perform(self._connection, [call.item for call in calls])
                for call, outcome in zip(calls, outcomes, strict=True):
                    call.outcome = outcome
            except Exception as error:
                self._read_alone(calls, error)

    def _read_alone(self, calls: list[Call], error: Exception) -> None:
        """Reading together failed: read one by one, so that only a guilty call fails."""
        _log.error("%s: reading failed: %s", self._path.name, error)
        for call in calls:
            try:
                if is_general(error):
                    raise error
                (call.outcome,) = call.perform(self._connection, [call.item])
            except Exception as own:
                call.outcome = translated(own)


def _rest() -> None:
    """A reader has nothing to do between batches."""
