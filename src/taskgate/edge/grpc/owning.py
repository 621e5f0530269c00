"""Leases that a worker names in a call of its own: are they its, and does this gateway know them?

A call may come to a gateway that has never seen the lease: it was restarted, or the worker was at another one. Then
the book is asked, and a receipt that it confirms is taken up here. A lease that is known to be another worker's is
refused aloud, however good its receipt is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from taskgate.edge.workers.naming import check_name, site_of
from taskgate.edge.workers.rooms import WorkerRooms
from taskgate.errors import Forbidden, InvalidInput, NotFound
from taskgate.fleet.holder import Holder
from taskgate.identity.principal import Principal
from taskgate.runs.task import SHARED
from taskgate.wire.link import Limits
from taskgate.wire.messages import Receipt, Task

NOT_REGISTERED = "NOT_REGISTERED"
MOST_HELD = Limits().held_count


@dataclass(frozen=True, slots=True)
class Caller:
    """A worker as the credential of a call lets it speak."""

    id: str
    principal: Principal

    def serves(self, site_id: str) -> bool:
        """Whether it may have runs of that site."""
        return self.principal.serves(site_id)


class Owning:
    """Judges receipts against credentials."""

    def __init__(self, rooms: WorkerRooms) -> None:
        self._rooms = rooms

    async def check(self, principal: Principal, worker_id: str, *, receipts: Sequence[Receipt]) -> list[Receipt]:
        """Take up what is not known here; returns what is lost. Forbidden for a name or a lease of another worker."""
        if len(receipts) > MOST_HELD:
            raise InvalidInput(f"a worker holds at most {MOST_HELD} runs", code="TOO_MANY_HELD")
        await self.check_known(principal, worker_id, receipts=receipts)
        unknown = [receipt for receipt in receipts if self._rooms.leases.find(receipt) is None]
        if not unknown:
            return []
        return await self._rooms.leasing.adopt(self._holder(principal, worker_id), unknown)

    async def check_known(self, principal: Principal, worker_id: str, *, receipts: Sequence[Receipt]) -> None:
        """Forbidden for the name of another worker, or for a lease that is known to be another's."""
        await check_name(self._rooms, principal, worker_id=worker_id)
        caller = Caller(worker_id, principal)
        for receipt in receipts:
            held = self._rooms.leases.find(receipt)
            if held is not None and not held.is_with(caller):
                raise Forbidden("another worker holds this run", code="WRONG_WORKER")

    async def check_lines(self, principal: Principal, receipt: Receipt, *, named: str) -> Caller:
        """As `check` for the lease of some lines, whose worker is `named` in the metadata or known by the lease; who
        says them."""
        held = self._rooms.leases.find(receipt)
        if not named and held is None:
            raise NotFound("this gateway does not know the lease: name the worker in x-worker-id", code=NOT_REGISTERED)
        caller = Caller(named or (held.worker_id if held is not None else ""), principal)
        await self.check(principal, caller.id, receipts=[receipt])
        return caller

    def _holder(self, principal: Principal, worker_id: str) -> Holder:
        """The seated worker, or its shadow: a holder that is never offered anything and is forgotten at once."""
        seated = self._rooms.fleet.find(worker_id)
        if seated is not None:
            return seated
        site_id = site_of(principal)
        return Holder(
            worker_id,
            _Nowhere(),
            instance="",
            site_id=None if site_id == SHARED else site_id,
            key_id=principal.id,
            transport="poll",
            tasks={},
            labels={},
            slots=0,
            now=self._rooms.clock.monotonic(),
        )


class _Nowhere:
    """The seat of a worker that is not seated."""

    def offer(self, task: Task) -> None: ...

    def cancel(self, run_id: str, attempt: int, *, reason: str) -> None: ...

    def drain(self, *, reason: str, reconnect: bool, delay_s: float) -> None: ...

    def close(self, code: int, reason: str) -> None: ...
