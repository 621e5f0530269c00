"""A gateway's part in the loans of credit between gateways: hears words and hands them to the right side.

It decides nothing about runs. Loans make runs quicker and nothing depends on them: every word may be lost, and then
runs go by the ready queue, or a lease of a few seconds ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from taskgate.clock import Clock
from taskgate.errors import NotNow, StoreError
from taskgate.fleet.fleet import Fleet
from taskgate.lifespan import TaskSet
from taskgate.runs.borrowing import Borrower
from taskgate.runs.definitions import Definitions
from taskgate.runs.dispatcher import Dispatcher
from taskgate.runs.lending import Lender
from taskgate.runs.loans import LOAN_S, Given, Lent, Recall, Returned, Seal, Wanted, Word, topic_of
from taskgate.runs.matching import Matcher
from taskgate.runs.ports import GAP, Signals, Subscription
from taskgate.runs.run import Run

_log = logging.getLogger(__name__)
SWEEP_S = LOAN_S / 4


class Exchange:
    """A part of a gateway that is not alone; `name` is its own, `root` tells the secret that all of them share."""

    def __init__(
        self,
        signals: Signals,
        *,
        name: str,
        root: Callable[[], bytes],
        clock: Clock,
        fleet: Fleet,
        matcher: Matcher,
        dispatcher: Dispatcher,
        definitions: Definitions,
        refuse: Callable[[Sequence[Run]], Awaitable[None]],
        offer_s: float,
    ) -> None:
        self._signals = signals
        self._name = name
        self._seal = Seal(root)
        self._has_work = asyncio.Event()
        self._matcher = matcher
        self._dispatcher = dispatcher
        self._borrower = Borrower(name=name, seal=self._seal, post=self._post, clock=clock, offer_s=offer_s)
        self._lender = Lender(
            name=name,
            seal=self._seal,
            post=self._post,
            clock=clock,
            fleet=fleet,
            matcher=matcher,
            dispatcher=dispatcher,
            definitions=definitions,
            refuse=refuse,
        )
        self.tasks = TaskSet()

    async def start(self) -> None:
        for topic in ("", self._name):
            self.tasks.spawn(self._listen(self._signals.subscribe(topic_of(topic))), name="news of loans")
        self.tasks.spawn(self._sweep(), name="ends of loans")
        self._matcher.elsewhere = self._borrower
        self._dispatcher.lender = self._lender

    async def stop(self) -> None:
        """Give back what is borrowed. What is lent and comes after this finds nobody, and its lease ends."""
        self._matcher.elsewhere = self._dispatcher.lender = None
        self._borrower.sweep(closes=True)
        self._lender.sweep(closes=True)
        await asyncio.sleep(0)  # the last words are said
        await self.tasks.close()

    def _post(self, gateway: str, word: Word) -> None:
        self._has_work.set()
        payload = self._seal.sealed(word)
        self.tasks.spawn(self._signals.publish(topic_of(gateway), payload), name="word of loans")

    async def _listen(self, news: Subscription) -> None:
        try:
            while True:
                message = await news.next()
                if message == GAP:
                    self._borrower.forget()
                elif (word := self._seal.opened(message)) is not None:
                    try:
                        await self._heard(word)
                    except (NotNow, StoreError) as error:
                        _log.warning("runs that came under loans wait for the end of their leases: %s", error)
        finally:
            news.close()

    async def _heard(self, word: Word) -> None:
        if isinstance(word, Given):
            await self._lender.given(word.runs)
        elif isinstance(word, Returned):
            self._lender.returned(word.loans)
        elif isinstance(word, Lent):
            self._borrower.lent(word)
        elif word.gateway == self._name:
            return
        elif isinstance(word, Wanted):
            self._lender.wanted(word)
            self._has_work.set()
        elif isinstance(word, Recall):
            self._borrower.recalled(word)

    async def _sweep(self) -> None:
        while True:
            await self._has_work.wait()
            self._has_work.clear()
            while not (self._borrower.is_idle and self._lender.is_idle):
                await asyncio.sleep(SWEEP_S)
                self._borrower.sweep()
                self._lender.sweep()
