"""The way out to a connected worker: its link's sending side, until the connection ends.

It is the `Seat` of the worker's holder: offers, cancels and drains of other rooms come in through it. Every verb
queues a message and returns at once; the transport pulls what is queued when its socket is free.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from taskgate.clock import Clock
from taskgate.edge.workers.counters import RoundTrips
from taskgate.errors import LocalLinkError
from taskgate.wire import gateway_events as e
from taskgate.wire import messages as m
from taskgate.wire.gateway_link import GatewayLink

_log = logging.getLogger(__name__)


class WorkerSeat:
    """`closed` is the close code and reason once the session has ended; `sent_count` the offers made on this link.

    `on_events` is given what sending makes happen, `on_close` is called once.
    """

    def __init__(
        self,
        link: GatewayLink,
        clock: Clock,
        *,
        on_events: Callable[[list[e.GatewayEvent]], None],
        on_close: Callable[[], None],
        round_trips: RoundTrips | None = None,
    ) -> None:
        self._link = link
        self._clock = clock
        self._on_events = on_events
        self._on_close = on_close
        self.news = asyncio.Event()
        self._is_awaited = False
        self.sent_count = 0
        self.round_trips = round_trips
        self.closed: tuple[int, str] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether the session lives, all that was said is sent, and the transport waits for more."""
        return self._is_awaited and not self.news.is_set()

    def say(self, message: m.GatewayMessage) -> bool:
        """Queue a message; False when the link has no place for it any more."""
        if self.closed is not None:
            return False
        try:
            events = self._link.send(message, self._clock.monotonic())
        except LocalLinkError as error:
            _log.debug("worker %s: %s", self._link.worker_id, error)
            return False
        if events:
            self._on_events(list(events))
        self.news.set()
        return True

    def offer(self, task: m.Task) -> None:
        """Send an offer; one that finds no room any more is left to its lease."""
        if self.say(task):
            self.sent_count += 1
            if self.round_trips is not None:
                self.round_trips.offered(task.run_id, task.attempt, now=self._clock.monotonic())

    def cancel(self, run_id: str, attempt: int, *, reason: str) -> None:
        """Tell the worker to stop an attempt."""
        self.say(m.Cancel(run_id=run_id, attempt=attempt, reason=reason))

    def drain(self, *, reason: str, reconnect: bool, delay_s: float) -> None:
        """Ask the worker to finish what it holds."""
        self.say(m.Drain(reason=reason, reconnect=reconnect, delay_s=delay_s))

    def close(self, code: int, reason: str) -> None:
        """End the session after what is queued has been sent. The first reason counts."""
        if self.closed is None:
            self.closed = (code, reason)
            self._on_close()
        self.news.set()

    async def outgoing(self) -> list[m.GatewayMessage]:
        """Everything to send now, waiting for something; [] once the session is closed and all was sent."""
        while True:
            messages = self._link.outgoing()
            if messages or self.closed is not None:
                return messages
            self.news.clear()
            self._is_awaited = True
            try:
                await self.news.wait()
            finally:
                self._is_awaited = False
