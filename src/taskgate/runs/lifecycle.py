"""The life of a run: which event may move it where. Pure: `advance` decides, a ledger applies.

States
    scheduled   waits for its moment (a delay, or the pause before a retry)
    queued      waits for a holder on its present target
    running     under a lease: offered, or accepted and being worked on
    succeeded · failed · cancelled · timed_out      ended, for ever

Who may move it
    a holder      Succeeded, Failed, Refused            under its receipt: (run, attempt, token)
    the janitor   LeaseExpired, TimerPassed             what the ledger says has passed
    the gateway   HolderLost                            the holder's process is known to be dead, or said bye
    a caller      CancelAsked                           at any time before the end
    the settler   Undefined                             the catalogue lost its definition: it fails, it alone

Counting
    `attempt` grows with every lease and is the fence. `tries` counts what was begun on the present target:
    `retries=3` allows four. A loss of infrastructure (the worker died, its task process crashed) is no try:
    it has a count of its own, and the third moves the run on, so poison ends too. An offer that nobody
    began is neither; only the tenth in a row counts as a try, so nothing circles for ever. `busy` counts
    nothing. All three counts begin anew on the next target of the chain.

Races and which side wins
    The guard of a move names the status, the attempt, the place on the chain and the token that the decision
    saw. Whatever the ledger commits first makes every other decision stale: result against expiry, cancel
    against result, two results, a timer against a claim. A renewal that commits before the janitor's word
    about that lease keeps it (`lease_expires_at`). The same result again (same attempt, same digest) is
    a repeat and is told so, whether the decision or the ledger notices. An accept that was not yet written
    is folded into the move that ends its attempt, so tries are right whichever of the two commits first.

What a crash leaves
    before the commit    the old state, with its lease or timer still running: the event comes again or expires
    after the commit     the new state; nobody was told, and everybody asks the ledger again

Every move leaves the lease: a run that stays with its holder is renewed, not moved.
"""

from __future__ import annotations

from random import Random

from taskgate.runs.deciding import Decision
from taskgate.runs.happenings import (
    CancelAsked,
    Event,
    Failed,
    HolderLost,
    LeaseExpired,
    Refused,
    Stale,
    Succeeded,
    TimerPassed,
    Undefined,
)
from taskgate.runs.ports import Move
from taskgate.runs.run import Run, Status
from taskgate.runs.task import TaskDefinition

# Which events each open state listens to, and which states may follow. Ended states listen to nothing.
TRANSITIONS: dict[Status, dict[type[Event], frozenset[Status]]] = {
    Status.SCHEDULED: {
        CancelAsked: frozenset({Status.CANCELLED}),
        TimerPassed: frozenset({Status.QUEUED, Status.TIMED_OUT}),
        Undefined: frozenset({Status.FAILED}),
    },
    Status.QUEUED: {
        CancelAsked: frozenset({Status.CANCELLED}),
        TimerPassed: frozenset({Status.QUEUED, Status.FAILED, Status.TIMED_OUT}),
        Undefined: frozenset({Status.FAILED}),
    },
    Status.RUNNING: {
        Succeeded: frozenset({Status.SUCCEEDED}),
        Failed: frozenset({Status.QUEUED, Status.SCHEDULED, Status.FAILED}),
        LeaseExpired: frozenset({Status.QUEUED, Status.FAILED}),
        HolderLost: frozenset({Status.QUEUED, Status.FAILED}),
        Refused: frozenset({Status.QUEUED, Status.FAILED}),
        CancelAsked: frozenset({Status.CANCELLED}),
        TimerPassed: frozenset({Status.QUEUED, Status.TIMED_OUT}),
        Undefined: frozenset({Status.FAILED}),
    },
}


def advance(run: Run, event: Event, *, definition: TaskDefinition, now: float, rng: Random) -> Move | Stale:
    """The move that this event makes, or Stale. `now` in wall seconds; `rng` only jitters retries."""
    listening = TRANSITIONS.get(run.status, {})
    if type(event) not in listening:
        is_repeat = isinstance(event, Succeeded | Failed) and event.digest != "" and event.digest == run.result_digest
        return Stale(f"{type(event).__name__} means nothing to a run that is {run.status.value}", is_repeat)
    return Decision(run, definition, now=now, rng=rng).on(event)
