"""Starts task processes: what is missing, a few at a time, more slowly when they die before they are of use.

The first one tells what this worker can do. If it cannot load its tasks the worker does not start; a later one that
cannot stays, and answers every run with the reason.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from itertools import count
from typing import Protocol

import msgspec

from taskgate.errors import InvalidInput
from taskgate.wire.messages import TaskOffer
from taskgate.worker.cgroups import CageYard
from taskgate.worker.ending import how
from taskgate.worker.frames import Loaded
from taskgate.worker.settings import WorkerSettings
from taskgate.worker.slot import Slot, SlotOwner, SlotState
from taskgate.worker.spawning import spawn

AT_ONCE = 2
FIRST_S = 0.1
LAST_S = 10.0
_log = logging.getLogger(__name__)


class Staffed(Protocol):
    """The pool, as far as starting needs it."""

    settings: WorkerSettings
    slots: list[Slot]


class Starting:
    """Keeps the pool at its number of slots. `offers` is what the tasks are, once the first process knows."""

    def __init__(self, pool: Staffed, listener: SlotOwner, *, yard: CageYard, nonce: str) -> None:
        self._pool = pool
        self._listener = listener
        self._yard = yard
        self._nonce = nonce
        self._loop = asyncio.get_running_loop()
        self._numbers = count(1)
        self._failed_count = 0
        self.offers: asyncio.Future[Sequence[TaskOffer]] = self._loop.create_future()
        self.is_over = False

    def fill(self) -> None:
        """Start what is missing, as far as may be started now."""
        pool = self._pool
        while not self.is_over and len(pool.slots) < pool.settings.slots:
            starting_count = sum(slot.state is SlotState.STARTING for slot in pool.slots)
            if starting_count >= (AT_ONCE if self.offers.done() else 1):
                return
            cage = self._yard.make(f"{self._nonce}-{next(self._numbers)}")
            try:
                pool.slots.append(Slot(spawn(pool.settings, cage, nonce=self._nonce), self._listener))
            except OSError as error:
                if cage is not None:
                    cage.remove()
                reason = f"a task process cannot be started: {error}"
                _log.error("%s", reason)
                self._refuse(reason)
                self._loop.call_later(LAST_S, self.fill)
                return

    def learn(self, loaded: Loaded) -> dict[str, int | None] | None:
        """A process is ready. From the first one: the memory limits of the tasks."""
        self._failed_count = 0
        sizes: dict[str, int | None] | None = None
        if loaded.failure:
            _log.error("tasks cannot be loaded: %s", loaded.failure)
            self._refuse(loaded.failure)
        elif not self.offers.done():
            offers = msgspec.json.decode(loaded.offers, type=list[TaskOffer])
            sizes = {offer.name: size for offer, size in zip(offers, loaded.memory_bytes, strict=True)}
            self.offers.set_result(offers)
        self.fill()
        return sizes

    def replace(self, slot: Slot, status: int | None) -> None:
        """A process has gone: another comes, at once when this one was of use."""
        if slot.failure:
            _log.error("task process %d: %s", slot.pid, slot.failure)
        if slot.was_useful:
            self.fill()
            return
        reason = slot.failure or f"a task process died before it did anything: {how(status)}"
        _log.error("%s", reason)
        self._refuse(reason)
        self._failed_count = min(self._failed_count + 1, 16)
        self._loop.call_later(min(LAST_S, FIRST_S * 2.0 ** (self._failed_count - 1)), self.fill)

    def _refuse(self, reason: str) -> None:
        if not self.offers.done():
            self.is_over = True
            self.offers.set_exception(InvalidInput(reason, code="TASKS_NOT_LOADED"))
