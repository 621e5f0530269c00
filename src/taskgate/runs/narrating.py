"""What a run's journal tells: its holder's logs and progress, and the states it passed through.

Logs are accepted only under a good receipt of the worker that says them (INV-F1, INV-F3), and acknowledged only when
they are durable. The state `running` of an attempt always stands before its first log line. States are told after the
ledger's commit and may be missing after a crash; the end of a run is never told here: readers take it from the ledger.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from taskgate.bus import Bus
from taskgate.clock import Clock
from taskgate.errors import NotNow, StoreError
from taskgate.events import RunMoved, RunStarted
from taskgate.journal.entry import Batch, Draft
from taskgate.journal.ports import Journal
from taskgate.lifespan import TaskSet
from taskgate.runs.leases import Bearer, Held, Leases
from taskgate.wire.messages import Log, LogAck, Progress, Receipt

_log = logging.getLogger(__name__)
PAUSE_S = 0.5
MOST_KEPT = 10_000  # states that wait for a journal that is away; what is older is dropped
LATEST_AT = 253_402_300_799.0  # the end of the year 9999
STATE_STREAM = "state"
PROGRESS_STREAM = "progress"


class Narrator:
    """Writes journals of runs."""

    def __init__(self, journal: Journal, leases: Leases, *, bus: Bus, clock: Clock) -> None:
        self._journal = journal
        self._leases = leases
        self._clock = clock
        self._states: list[Batch] = []
        self._news = asyncio.Event()
        self.tasks = TaskSet()
        bus.subscribe(RunStarted, self._started)
        bus.subscribe(RunMoved, self._moved)

    async def start(self) -> None:
        self.tasks.spawn(self._write_states(), name="run states")

    async def stop(self) -> None:
        await self.tasks.close()
        if self._states:
            await self._journal.append(self._states)
            self._states = []

    async def record(self, messages: Sequence[Log | Progress], bearer: Bearer) -> tuple[list[LogAck], list[Receipt]]:
        """Append what a worker says; returns the acknowledgements to send and the receipts that were stale, or
        another's."""
        batches: list[Batch] = []
        stale: list[Receipt] = []
        introduced: list[Held] = []
        for message in messages:
            receipt = Receipt(run_id=message.run_id, attempt=message.attempt, lease_token=message.lease_token)
            held = self._leases.find(receipt, bearer)
            if held is None:
                stale.append(receipt)
                continue
            if not held.introduced:
                held.introduced = True
                introduced.append(held)
                batches.append(self._running(held.run.id, held.run.attempt, held.worker_id))
            batches.append(_batch(message, now=self._clock.now()))
        if not batches:
            return [], stale
        try:
            verdicts = await self._journal.append(batches)
        except BaseException:
            for held in introduced:
                held.introduced = False
            raise
        acks = {
            (batch.subject, batch.attempt, batch.stream): verdict.source_seq
            for batch, verdict in zip(batches, verdicts, strict=True)
            if batch.stream != STATE_STREAM
        }
        return [LogAck(run_id=s, attempt=a, stream=stream, seq=seq) for (s, a, stream), seq in acks.items()], stale

    def _started(self, event: RunStarted) -> None:
        self._say(self._running(event.run_id, event.attempt, event.holder))

    def _moved(self, event: RunMoved) -> None:
        run = event.run
        fields: dict[str, object] = {"attempt": run.attempt, "because": event.because}
        if run.due_at is not None:
            fields["due_at"] = run.due_at
        draft = Draft(kind="state", at=self._clock.now(), text=run.status.value, fields=fields)
        self._say(Batch(subject=run.id, attempt=run.attempt, stream=STATE_STREAM, drafts=(draft,)))

    def _running(self, run_id: str, attempt: int, holder: str) -> Batch:
        fields = {"attempt": attempt, "holder": holder}
        draft = Draft(kind="state", at=self._clock.now(), text="running", fields=fields)
        return Batch(subject=run_id, attempt=attempt, stream=STATE_STREAM, drafts=(draft,))

    def _say(self, batch: Batch) -> None:
        self._states.append(batch)
        if len(self._states) > 2 * MOST_KEPT:
            del self._states[:MOST_KEPT]  # a journal that hangs: states may be missing, memory may not
        self._news.set()

    async def _write_states(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            states, self._states = self._states, []
            try:
                if states:
                    await self._journal.append(states)
            except (NotNow, StoreError) as error:
                _log.warning("states of %d runs wait for the journal: %s", len(states), error)
                self._states = (states + self._states)[-MOST_KEPT:]
                await asyncio.sleep(PAUSE_S)
                self._news.set()


def _batch(message: Log | Progress, *, now: float) -> Batch:
    """What a worker said, as a batch. Its moments are taken as it tells them where a calendar has them."""
    if isinstance(message, Progress):
        draft = Draft(
            kind="progress",
            at=_moment(message.at, now),
            text=message.text,
            fraction=min(max(message.fraction, 0.0), 1.0),
            source_seq=message.seq,
        )
        return Batch(subject=message.run_id, attempt=message.attempt, stream=PROGRESS_STREAM, drafts=(draft,))
    drafts = tuple(
        Draft(kind="log", at=_moment(line.at, now), text=line.text, level=line.level, source_seq=line.seq)
        for line in message.lines
    )
    return Batch(subject=message.run_id, attempt=message.attempt, stream=message.stream, drafts=drafts)


def _moment(at: float, now: float) -> float:
    """The sender's moment; ours where it told none, or one that no calendar has."""
    return at if 0.0 < at <= LATEST_AT else now
