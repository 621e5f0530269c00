"""Values of runs as every SQL engine stores them: numbers for states, texts for queues, the lease that a grant gives.

Numbers are stored: a state or an outcome keeps its place in these tuples for good, new ones go to the end.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec
from msgspec.structs import replace

from taskgate.runs.ports import Grant
from taskgate.runs.run import Attempt, Lease, Outcome, Run, Status
from taskgate.runs.task import QueueKey

STATUSES = (
    Status.SCHEDULED,
    Status.QUEUED,
    Status.RUNNING,
    Status.SUCCEEDED,
    Status.FAILED,
    Status.CANCELLED,
    Status.TIMED_OUT,
)
OUTCOMES = (
    Outcome.SUCCEEDED,
    Outcome.FAILED,
    Outcome.TIMED_OUT,
    Outcome.CANCELLED,
    Outcome.WORKER_LOST,
    Outcome.NOT_STARTED,
    Outcome.REFUSED,
)
NUMBER_OF_STATUS = {status: number for number, status in enumerate(STATUSES)}
NUMBER_OF_OUTCOME = {outcome: number for number, outcome in enumerate(OUTCOMES)}
RUNNING = NUMBER_OF_STATUS[Status.RUNNING]

Pairs = tuple[tuple[str, str], ...]
_queues = msgspec.json.Decoder(tuple[str, str, Pairs])


def leased(run: Run, grant: Grant, *, now: float) -> Run:
    """The run as `add` stored it: with its first lease if it was queued."""
    if run.status is not Status.QUEUED:
        return run
    attempt = run.attempt + 1
    lease = Lease(holder=grant.holder, token=grant.token, expires_at=now + grant.duration_s)
    current = Attempt(
        number=attempt, target=grant.target, chain_position=run.chain_position, holder=grant.holder, granted_at=now
    )
    return replace(run, status=Status.RUNNING, attempt=attempt, lease=lease, current=current)


@lru_cache(maxsize=4096)
def text_of_queue(queue: QueueKey) -> str:
    """A queue as stored."""
    return text_of((queue.task, queue.version, queue.labels))


@lru_cache(maxsize=4096)
def queue_of_text(text: str) -> QueueKey:
    """A queue as it was stored."""
    task, version, labels = _queues.decode(text)
    return QueueKey(task, version, labels)


@lru_cache(maxsize=128)
def mask_of(statuses: frozenset[Status]) -> int:
    """A set of states as bits."""
    return sum(1 << NUMBER_OF_STATUS[status] for status in statuses)


def text_of(value: object) -> str:
    """A value as the JSON text that is stored, always the same for the same value."""
    return msgspec.json.encode(value).decode()
