"""Which worker gets a run, and which queues a worker can be given from.

Knows the queues that have waiting runs (`backlog`) and the credit that was reserved and not used yet. All of
it may be lost or wrong: the ready queue and the ledger are asked before anything is given out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from taskgate.fleet.fleet import Fleet
from taskgate.fleet.holder import Holder
from taskgate.ids import new_token
from taskgate.runs.ports import Grant
from taskgate.runs.run import Run
from taskgate.runs.seeking import Seekers, burden
from taskgate.runs.task import QueueKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Workers with credit that may be given from the same queues of the same site, the least loaded first."""

    queues: tuple[QueueKey, ...]
    site_id: str | None
    holders: list[Holder]

    @property
    def free(self) -> int:
        """How many offers they will take together right now."""
        return sum(holder.free for holder in self.holders)


class Elsewhere(Protocol):
    """Credit of workers at other gateways: every grant of theirs is sent or released once, too."""

    def grant(self, run: Run) -> Grant | None: ...

    def release(self, grant: Grant) -> None: ...

    def send(self, run: Run) -> None: ...


class Matcher:
    """Reserves credit of workers for runs. Every grant is used (`settle`) or given back (`release`) exactly once.

    `ended` are the queues whose end the last take has seen; `elsewhere` is asked where nobody here is free; `on_free`
    is told of credit that comes back, for which a run may be waiting by now.
    """

    def __init__(self, fleet: Fleet, *, offer_s: float) -> None:
        self._fleet = fleet
        self._offer_s = offer_s
        self._known: dict[str, set[QueueKey]] = {}
        self._reserved: dict[str, Holder] = {}
        self.seekers = Seekers(fleet)
        self.backlog: set[QueueKey] = set()
        self.ended: set[QueueKey] = set()
        self.notes = 0
        self.elsewhere: Elsewhere | None = None
        self.on_free: Callable[[], None] = lambda: None

    def reserve(self, run: Run, *, avoid: str = "") -> Grant | None:
        """A lease for the least loaded fitting worker with credit, None when the run has to queue."""
        queue = run.queue
        if queue in self.backlog and not avoid:
            return self._borrowed(run)
        best: Holder | None = None
        for holder in self._fleet.fitting(run.tenant.site_id, queue.task, version=queue.version, labels=queue.labels):
            if holder.free <= 0 or holder.id == avoid:
                continue
            if best is None or burden(holder) < burden(best):
                best = holder
                if not holder.held:
                    break
        if best is None:
            return None if avoid else self._borrowed(run)
        self._fleet.used(best, queue.task)
        return self._grant(best)

    def release(self, grants: Iterable[Grant]) -> None:
        """Give back credit that was reserved and not used."""
        for grant in grants:
            holder = self._reserved.pop(grant.token, None)
            if holder is not None:
                holder.offered_count -= 1
                self.seekers.add(holder)
                self.on_free()
            elif self.elsewhere is not None:
                self.elsewhere.release(grant)

    def settle(self, run: Run) -> Holder | None:
        """The lease is written: the connection to send it to. None when that worker has left meanwhile, or when it is
        at another gateway, which is told."""
        holder = self._reserved.pop(run.lease.token, None) if run.lease is not None else None
        if holder is None and self.elsewhere is not None:
            self.elsewhere.send(run)
        return holder if holder is not None and self._fleet.find(holder.id) is holder else None

    def note(self, queues: Iterable[QueueKey]) -> None:
        """Something waits in these queues."""
        for queue in queues:
            self._known.setdefault(queue.task, set()).add(queue)
            self.backlog.add(queue)
        self.notes += 1

    def crowds(self) -> list[Crowd]:
        """The workers with credit for what waits, each in one crowd: what is asked for one is asked for all."""
        found: dict[tuple[tuple[QueueKey, ...], str | None], Crowd] = {}
        for holder in self.seekers.of({queue.task for queue in self.backlog}):
            queues, site_id = self._candidates(holder), holder.site_id
            if queues:
                crowd = found.setdefault((queues, site_id), Crowd(queues=queues, site_id=site_id, holders=[]))
                crowd.holders.append(holder)
        return list(found.values())

    def grants(self, crowd: Crowd, count: int) -> list[Grant]:
        """So many leases for this crowd, the first worker's credit first; fewer when credit has been used meanwhile."""
        granted: list[Grant] = []
        for holder in crowd.holders:
            granted += [self._grant(holder) for _ in range(min(holder.free, count - len(granted)))]
        return granted

    def _candidates(self, holder: Holder) -> tuple[QueueKey, ...]:
        """The queues with waiting runs that this worker may be given from."""
        return tuple(
            queue
            for task in holder.tasks
            for queue in self._known.get(task, ())
            if queue in self.backlog and holder.can_do(task, version=queue.version, labels=queue.labels)
        )

    def lend(self, holder: Holder, *, token: str) -> Grant:
        """Keep one credit of this worker for a lease that another gateway may write under this token."""
        return self._grant(holder, token)

    def _borrowed(self, run: Run) -> Grant | None:
        """A lease for a worker at another gateway, which has seen that nobody waits there."""
        return None if self.elsewhere is None else self.elsewhere.grant(run)

    def _grant(self, holder: Holder, token: str = "") -> Grant:
        """Use one credit of this worker for a lease to be written."""
        grant = Grant(holder=holder.id, token=token or new_token(), duration_s=self._offer_s, target=holder.target)
        holder.offered_count += 1
        self._reserved[grant.token] = holder
        return grant
