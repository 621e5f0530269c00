"""Deciding and performing the moves of runs: `advance` decides, the ledger applies, and what follows is told.

Every change of a run after its acceptance goes through `settle`, whoever caused it: a result, a timer, a
cancel, a lost worker. After the commit the news goes out once: an ended run to those who wait for it, a
queued one to the dispatcher. If the process dies between the commit and the news, nothing is lost: the
ledger has the truth, waiters ask again and the reconciler finds what is queued.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from taskgate.bus import Bus
from taskgate.clock import Clock
from taskgate.errors import NotNow, StoreError
from taskgate.events import RunFinished, RunMoved
from taskgate.lifespan import Finisher
from taskgate.runs.chain import moved
from taskgate.runs.definitions import Definitions
from taskgate.runs.happenings import CancelAsked, Event, Stale, Succeeded, Undefined
from taskgate.runs.lifecycle import advance
from taskgate.runs.ports import Applied, Mandate, Move, RunLedger
from taskgate.runs.run import Run, Status
from taskgate.runs.task import TaskDefinition

_log = logging.getLogger(__name__)


class Change(Struct, frozen=True, gc=False):
    """Something that happened to a run, as last seen; `avoid` names a worker that should not get it next."""

    run: Run
    event: Event
    avoid: str = ""


class Settled(Struct, frozen=True, gc=False):
    """What became of one change: the verdict, and the run as it stands after it (unchanged when stale)."""

    verdict: Applied
    run: Run


class Settler:
    """Applies changes in batches and tells the consequences."""

    def __init__(
        self,
        ledger: RunLedger,
        definitions: Definitions,
        *,
        bus: Bus,
        clock: Clock,
        rng: random.Random,
        probe: Callable[[str], None],
        requeue: Callable[[Run, str], Awaitable[None]],
        dequeue: Callable[[str], Awaitable[None]],
        on_timer: Callable[[float], None],
    ) -> None:
        self._ledger = ledger
        self._definitions = definitions
        self._bus = bus
        self._clock = clock
        self._rng = rng
        self._probe = probe
        self._requeue = requeue
        self._dequeue = dequeue
        self._on_timer = on_timer
        self._finisher = Finisher()

    async def settle(self, changes: Sequence[Change], *, under: Mandate | None = None) -> list[Settled]:
        """One verdict per change, in order, all committed together. A change that is illegal by now is stale, and so is
        everything that is decided under a mandate which somebody else has by now. A caller who leaves leaves it to be
        finished: what was committed is told and queued."""
        return await self._finisher.finish(self._settled(changes, under))

    async def settle_apart(self, changes: Sequence[Change], *, under: Mandate | None = None) -> list[Settled]:
        """As `settle`, but a change that fails by itself holds up no other: it is logged, and stale. Raises what is
        the store's alone: NotNow, and a StoreError that says what an operator has to mend."""
        try:
            return await self.settle(changes, under=under)
        except NotNow:
            raise
        except Exception as error:
            if isinstance(error, StoreError) and error.code != StoreError.default_code:
                raise
            if len(changes) == 1:
                _log.error("run %s cannot be moved (%s); the others are", changes[0].run.id, error, exc_info=error)
                return [Settled(Applied.STALE, changes[0].run)]
        half = len(changes) // 2
        parts = (changes[:half], changes[half:])
        return [settled for part in parts for settled in await self.settle_apart(part, under=under)]

    async def _settled(self, changes: Sequence[Change], under: Mandate | None) -> list[Settled]:
        settled = [Settled(Applied.STALE, change.run) for change in changes]
        moves: list[Move] = []
        places: list[int] = []
        now = self._clock.now()
        for place, change in enumerate(changes):
            known = self._definitions.digests.met(change.run.definition)
            if known is not None:
                definition, event = known.definition, change.event
            else:
                definition, event = await self._rules_for(change)
            move = advance(change.run, event, definition=definition, now=now, rng=self._rng)
            if not isinstance(move, Stale):
                moves.append(move)
                places.append(place)
            elif move.is_repeat:
                settled[place] = Settled(Applied.REPLAYED, change.run)
        if not moves:
            return settled
        self._probe("result|apply")
        verdicts = await self._ledger.apply(moves, under=under)
        self._probe("apply|effects")
        following: list[tuple[Run, str]] = []
        for place, move, verdict in zip(places, moves, verdicts, strict=True):
            change = changes[place]
            if verdict is not Applied.APPLIED:
                settled[place] = Settled(verdict, change.run)
                continue
            run = moved(change.run, move)
            settled[place] = Settled(verdict, run)
            self._tell(run, move)
            if run.status is Status.QUEUED:
                following.append((run, change.avoid))
            elif change.run.status is Status.QUEUED:
                await self._dequeue(run.id)
        if following:
            await asyncio.gather(*(self._requeue(run, avoid) for run, avoid in following))
        return settled

    async def _rules_for(self, change: Change) -> tuple[TaskDefinition, Event]:
        """The run's definition and what happened to it. Where the definition is lost, this run fails and no other;
        an answer that is there already, and a caller's word, still count."""
        known = await self._definitions.digests.find(change.run.definition)
        if known is not None:
            return known.definition, change.event
        _log.error("run %s fails: its definition %s is lost", change.run.id, change.run.definition)
        stands = isinstance(change.event, Succeeded | CancelAsked)
        return TaskDefinition(name=change.run.task), change.event if stands else Undefined()

    def _tell(self, run: Run, move: Move) -> None:
        if not run.is_open:
            self._bus.publish(RunFinished(run))
            return
        because = move.end.moved_on_because if move.end is not None else ""
        self._bus.publish(RunMoved(run, because))
        if run.due_at is not None and run.status is Status.SCHEDULED:
            self._on_timer(run.due_at)
