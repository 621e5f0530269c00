"""Giving a new run to a worker of another gateway in the very commit that accepts it.

Who has nobody for a run says so (`Wanted`), and lenders answer with loans: offers to their workers that they keep
free for us. The next run of that queue gets its first lease in its accepting commit, as it would for a worker of our
own, and its lender is told of it right after. So a run that nobody here can take costs one commit and one message,
in place of two commits and three steps of the ready queue.

A loan is used once. What it was used for and did not happen (the commit failed, an earlier run had the same key) is
given back and never used again: nobody may know whether that commit came about. Where anything goes wrong the ledger
has a lease of a few seconds that nobody renews, and the janitor queues the run again. Wishes stand for `LOAN_S` and
are renewed by use; what is left of them then goes back at once, so that nobody's worker waits for us.
"""

from __future__ import annotations

import asyncio
from collections import deque

import msgspec

from taskgate.clock import Clock
from taskgate.runs.loans import LOAN_S, MAX_INPUT_BYTES, Given, Key, Lent, Post, Recall, Returned, Seal, Wanted
from taskgate.runs.ports import Grant
from taskgate.runs.run import Run

ASK_AGAIN_S = LOAN_S / 4


class _Loan(msgspec.Struct, frozen=True):
    name: str
    worker_id: str
    lender: str


class _Wish:
    """What was wished for one queue, and what there is of it."""

    __slots__ = ("asked_at", "loans")

    def __init__(self) -> None:
        self.asked_at = float("-inf")
        self.loans: deque[_Loan] = deque()


class Borrower:
    """Loans from other gateways to this one (`name`); `post` sends words."""

    def __init__(self, *, name: str, seal: Seal, post: Post, clock: Clock, offer_s: float) -> None:
        self._name = name
        self._seal = seal
        self._post = post
        self._clock = clock
        self._offer_s = offer_s
        self._wishes: dict[Key, _Wish] = {}
        self._used: dict[str, _Loan] = {}
        self._to_give: dict[str, list[tuple[str, Run]]] = {}

    def grant(self, run: Run) -> Grant | None:
        """A lease for a worker of another gateway, None where there is no loan (yet). To be sent or released."""
        if len(run.input) > MAX_INPUT_BYTES:
            return None
        key = (run.tenant.site_id, run.queue)
        wish = self._wishes.setdefault(key, _Wish())
        now = self._clock.monotonic()
        loan = wish.loans.popleft() if wish.loans and now < wish.asked_at + LOAN_S else None
        if now >= wish.asked_at + ASK_AGAIN_S:
            wish.asked_at = now
            self._post("", Wanted(self._name, *key))
        if loan is None:
            return None
        token = self._seal.token(loan.name)
        self._used[token] = loan
        return Grant(holder=loan.worker_id, token=token, duration_s=self._offer_s)

    def release(self, grant: Grant) -> None:
        """The lease was not written, or nobody knows whether it was."""
        loan = self._used.pop(grant.token, None)
        if loan is not None:
            self._give_back([loan])

    def send(self, run: Run) -> None:
        """The lease of this run is committed: tell its lender, with all others of this turn of the loop."""
        loan = self._used.pop(run.lease.token, None) if run.lease is not None else None
        if loan is None or run.lease is None:
            return
        if not self._to_give:
            asyncio.get_running_loop().call_soon(self._tell)
        bare = msgspec.structs.replace(run, lease=msgspec.structs.replace(run.lease, token=""))
        self._to_give.setdefault(loan.lender, []).append((loan.name, bare))

    def lent(self, said: Lent) -> None:
        """A lender has answered; what comes too late goes back."""
        loans = [_Loan(name, worker_id, said.gateway) for name, worker_id in said.loans]
        wish = self._wishes.get((said.site_id, said.queue))
        if wish is None or self._clock.monotonic() >= wish.asked_at + LOAN_S:
            self._give_back(loans)
        else:
            wish.loans += loans

    def recalled(self, said: Recall) -> None:
        """A lender has use for its workers: it is asked again a moment later, by the next run."""
        for (_, queue), wish in self._wishes.items():
            if queue == said.queue:
                self._give_back([loan for loan in wish.loans if loan.lender == said.gateway])
                wish.loans = deque(loan for loan in wish.loans if loan.lender != said.gateway)

    def sweep(self, *, closes: bool = False) -> None:
        """Give back what belongs to wishes that nobody has renewed; everything, where this gateway closes."""
        now = self._clock.monotonic()
        for key, wish in tuple(self._wishes.items()):
            if closes or now >= wish.asked_at + LOAN_S:
                self._give_back(wish.loans)
                del self._wishes[key]

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to sweep."""
        return not self._wishes

    def forget(self) -> None:
        """News may have been missed: what is lent to us is unknown, and ends by itself."""
        for wish in self._wishes.values():
            wish.loans.clear()

    def _tell(self) -> None:
        told, self._to_give = self._to_give, {}
        for lender, runs in told.items():
            self._post(lender, Given(runs))

    def _give_back(self, loans: list[_Loan] | deque[_Loan]) -> None:
        names: dict[str, list[str]] = {}
        for loan in loans:
            names.setdefault(loan.lender, []).append(loan.name)
        for lender, of_lender in names.items():
            self._post(lender, Returned(of_lender))
