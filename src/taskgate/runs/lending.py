"""Lending idle workers of this gateway to others that have runs for them and nobody to give them to.

    free ──Wanted──▶ lent (its credit is reserved) ──Given──▶ offered to the worker
      ▲               │
      └───────────────┴ Returned, or the wish ended `GRACE_S` ago

Only what is to spare is lent: half of the free credit of a queue, the longest unused worker first, and nothing while
runs of that queue wait for workers here. Where runs wait here and nobody is free, what is lent of that queue is
called back. A loan is no lease: only the run that comes with it is one, and its lease stands in the ledger already.
A run that comes when its worker has gone, or is full, is queued again at once; one that comes when its lease has run
out is left to the janitor. Said twice, a word changes nothing: a loan is spent by its first run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from taskgate.clock import Clock
from taskgate.errors import NotNow, StoreError
from taskgate.fleet.fleet import WORKERS, Fleet
from taskgate.fleet.holder import Holder
from taskgate.ids import new_token
from taskgate.runs.definitions import Definitions
from taskgate.runs.dispatcher import Dispatcher
from taskgate.runs.loans import GRACE_S, LOAN_S, WINDOW, Key, Lent, Post, Recall, Seal, Wanted
from taskgate.runs.matching import Matcher
from taskgate.runs.ports import Grant
from taskgate.runs.run import Run

_log = logging.getLogger(__name__)
GATHER_S = 0.004  # loans that come free within it are told together


class _Order:
    """What one gateway wished of one queue, and the loans that it has of us."""

    __slots__ = ("ends_at", "gateway", "key", "loans")

    def __init__(self, gateway: str, key: Key) -> None:
        self.gateway = gateway
        self.key = key
        self.ends_at = 0.0
        self.loans: dict[str, tuple[Grant, Holder]] = {}


class Lender:
    """Loans from this gateway (`name`) to others. `refuse` queues runs again that nobody here can take."""

    def __init__(
        self,
        *,
        name: str,
        seal: Seal,
        post: Post,
        clock: Clock,
        fleet: Fleet,
        matcher: Matcher,
        dispatcher: Dispatcher,
        definitions: Definitions,
        refuse: Callable[[Sequence[Run]], Awaitable[None]],
    ) -> None:
        self._name = name
        self._seal = seal
        self._post = post
        self._clock = clock
        self._fleet = fleet
        self._matcher = matcher
        self._dispatcher = dispatcher
        self._definitions = definitions
        self._refuse = refuse
        self._orders: dict[tuple[str, Key], _Order] = {}
        self._of_loan: dict[str, _Order] = {}
        self._spent: dict[str, float] = {}
        self._is_due = False

    def wanted(self, said: Wanted) -> None:
        """A gateway wishes loans, or goes on wishing them."""
        key = (said.site_id, said.queue)
        order = self._orders.get((said.gateway, key))
        if order is None:
            order = self._orders[said.gateway, key] = _Order(said.gateway, key)
        order.ends_at = self._clock.monotonic() + LOAN_S
        self.nudge()

    def nudge(self) -> None:
        """Credit came free, or was asked for: lend what is to spare, a moment later."""
        if self._orders and not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(GATHER_S, self._lend)

    async def given(self, runs: list[tuple[str, Run]]) -> None:
        """Runs under lease for workers here: offer them. A worker that has gone or is full leaves its run to others."""
        homeless: list[Run] = []
        for loan, bare in runs:
            if bare.lease is None or bare.lease.expires_at <= self._clock.now():
                self.returned([loan])
                continue
            if loan in self._spent:
                continue
            self._spent[loan] = bare.lease.expires_at
            lease = msgspec.structs.replace(bare.lease, token=self._seal.token(loan))
            run = msgspec.structs.replace(bare, lease=lease)
            if await self._definitions.digests.find(run.definition) is not None and self._is_seated(run, loan):
                self._dispatcher.deliver(run)
            else:
                self.returned([loan])
                homeless.append(run)
        self.nudge()
        if homeless:
            await self._give_up(homeless)

    def returned(self, loans: list[str]) -> None:
        """These are free again."""
        self._free([ended[0] for loan in loans if (ended := self._ended(loan)) is not None])

    def call_back(self) -> None:
        """Ask for what is lent of queues in which something waits here and nobody is free."""
        now = self._clock.monotonic()
        for order in self._orders.values():
            _, queue = order.key
            is_open = order.loans and now < order.ends_at
            if is_open and queue in self._matcher.backlog and not self._idle(order.key, 1):
                self._post("", Recall(self._name, queue))
                order.ends_at = now  # asked once; the next wish opens it again

    def sweep(self, *, closes: bool = False) -> None:
        """End orders that were not renewed; all of them, where this gateway closes."""
        now, today = self._clock.monotonic(), self._clock.now()
        self._spent = {loan: ends_at for loan, ends_at in self._spent.items() if today < ends_at}
        for place, order in tuple(self._orders.items()):
            if closes or now >= order.ends_at + GRACE_S:
                del self._orders[place]
                self.returned(list(order.loans))

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to sweep."""
        return not self._orders and not self._spent

    def _lend(self) -> None:
        self._is_due = False
        now = self._clock.monotonic()
        for order in self._orders.values():
            if now < order.ends_at:
                self._lend_to(order)

    def _lend_to(self, order: _Order) -> None:
        site_id, queue = order.key
        if queue in self._matcher.backlog and queue not in self._matcher.ended:
            return  # more waits here than this gateway can take
        idle = self._idle(order.key, 2 * WINDOW)
        spare = sum(holder.free for holder in idle) + len(order.loans)
        count = min(WINDOW, (spare + 1) // 2) - len(order.loans)
        lent: list[tuple[str, str]] = []
        while count > len(lent):
            for holder in idle:
                if holder.free > 0 and count > len(lent):
                    lent.append((self._reserved(order, holder), holder.id))
        if lent:
            self._post(order.gateway, Lent(self._name, site_id, queue, lent))

    def _reserved(self, order: _Order, holder: Holder) -> str:
        loan = new_token()
        order.loans[loan] = (self._matcher.lend(holder, token=self._seal.token(loan)), holder)
        self._of_loan[loan] = order
        self._fleet.used(holder, order.key[1].task)
        return loan

    def _idle(self, key: Key, limit: int) -> list[Holder]:
        """Workers with credit for that queue and site, as many as have so many offers between them."""
        site_id, queue = key
        found: list[Holder] = []
        for holder in self._fleet.fitting(site_id, queue.task, version=queue.version, labels=queue.labels):
            if holder.free > 0 and holder.target == WORKERS:
                found.append(holder)
                limit -= holder.free
                if limit <= 0:
                    break
        return found

    def _ended(self, loan: str) -> tuple[Grant, Holder] | None:
        """The loan is over: what it reserved, of whom; None when it was over before."""
        order = self._of_loan.pop(loan, None)
        return None if order is None else order.loans.pop(loan, None)

    def _free(self, grants: list[Grant]) -> None:
        self._matcher.release(grants)
        if grants:
            self._dispatcher.wake()

    def _is_seated(self, run: Run, loan: str) -> bool:
        """Whether the worker of its lease can be offered this run: under its loan, or else with other credit."""
        holder = None if run.lease is None else self._fleet.find(run.lease.holder)
        queue = run.queue
        if run.lease is None or holder is None or holder.draining or not holder.serves(run.tenant.site_id):
            return False
        if not holder.can_do(queue.task, version=queue.version, labels=queue.labels):
            return False
        ended = self._ended(loan)
        if ended is not None and ended[1] is holder:
            return True
        self._free([] if ended is None else [ended[0]])  # of an earlier connection of this worker
        if holder.free > 0:
            self._matcher.lend(holder, token=run.lease.token)
            return True
        return False

    async def _give_up(self, runs: list[Run]) -> None:
        try:
            await self._refuse(runs)
        except (NotNow, StoreError) as error:
            _log.warning("%d runs wait for the end of their leases: %s", len(runs), error)
