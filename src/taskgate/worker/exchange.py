"""Drives the worker's link: one connection after the other, for ever, and its time.

What the pool reports goes out, what the gateway says becomes orders to the pool. Everything runs on one event
loop; the sender takes whatever has gathered since its last frame, so a busy worker sends few and full ones.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from math import inf

from taskgate.errors import Forbidden, RemoteLinkError, TaskgateError, Unauthenticated, Unavailable
from taskgate.wire import worker_events as e
from taskgate.wire.link import Phase
from taskgate.wire.messages import Credential as Renewal
from taskgate.wire.messages import Stopped
from taskgate.wire.reconnect import reconnect_delay_s
from taskgate.wire.worker_link import WorkerLink
from taskgate.worker.credential import Credential
from taskgate.worker.load import LoadMeter
from taskgate.worker.reports import Reports
from taskgate.worker.slots import Pool
from taskgate.worker.spool import Spool
from taskgate.worker.transport import REPLACED, Transport

OPEN_S = 20.0
HOUSEKEEPING_S = 1.0
_log = logging.getLogger(__name__)


class Exchange:
    """The link process's conversation. `on_change` is called after everything that may have changed something."""

    def __init__(self, link: WorkerLink, pool: Pool, *, reports: Reports, spool: Spool, credential: Credential) -> None:
        self._link = link
        self._credential = credential
        self._pool = pool
        self._reports = reports
        self._spool = spool
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._meter = LoadMeter()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf
        self._broken: asyncio.Future[None] | None = None
        self._failed_count = 0
        self._hint_s = 0.0
        self._was_welcome = False
        self._said = asyncio.Event()
        self.on_change: Callable[[], None] = lambda: None

    async def run(self, connect: Callable[[], Transport]) -> None:
        """Keep a connection until cancelled. Raises only what no reconnect can mend: the credential is refused at
        the very first, or another worker took over the name."""
        housekeeping = self._loop.create_task(self._keep_house(), name="housekeeping")
        try:
            while True:
                try:
                    await self._converse(connect())
                except TaskgateError as error:
                    if self._is_final(error):
                        raise
                    delay_s = reconnect_delay_s(self._failed_count, random.random(), hint_s=self._hint_s)
                    _log.warning("%s; next try in %.1f s", error.detail or error.code, delay_s)
                    self._failed_count += 1
                    self._hint_s = 0.0
                    await asyncio.sleep(delay_s)
        finally:
            housekeeping.cancel()
            if self._timer is not None:
                self._timer.cancel()

    def changed(self) -> None:
        """Something may have to be said, or has become due at another time."""
        self._link.capacity = 0 if self._spool.is_broken or self._reports.outbox.is_full else self._pool.capacity
        self._wake.set()
        due_at = self._link.next_tick_at()
        if due_at < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = due_at
            self._timer = self._loop.call_later(max(0.0, due_at - time.monotonic()), self._tick)
        self.on_change()

    async def said_all(self) -> None:
        """Wait until everything that was to be said has been handed to the connection."""
        self._wake.set()
        self._said.clear()
        await self._said.wait()

    def act(self, events: Iterable[e.WorkerEvent]) -> None:
        """Do what the link orders."""
        for event in events:
            match event:
                case e.Offered(task):
                    limit = self._link.welcome.max_output_bytes
                    self._pool.offer(task, bytes(task.payload), max_output_bytes=limit)
                case e.ResultSettled(run_id, attempt, verdict, code):
                    self._spool.forget((run_id, attempt))
                    if verdict == "stale":
                        _log.info(
                            "run %s attempt %d: the result came too late (%s)",
                            run_id,
                            attempt,
                            code,
                            extra=_about(run_id),
                        )
                case e.LogsDurable():
                    self._reports.outbox.pump()
                case e.Stop(run_id, attempt, reason):
                    self._stop((run_id, attempt), reason)
                case e.OfferExpired(run_id, attempt):
                    self._pool.stop((run_id, attempt), "lost")
                case _:
                    self._note(event)

    def _note(self, event: e.WorkerEvent) -> None:
        """News that is about the connection, not about a run."""
        match event:
            case e.Welcomed(welcome):
                self._failed_count, self._was_welcome = 0, True
                _log.info("connected as %s", self._link.hello.worker_id)
                for name, reason in welcome.refused.items():
                    _log.error("the gateway refuses task %s from this worker: %s", name, reason)
            case e.DrainAsked(reason, reconnect, delay_s):
                _log.info("the gateway asks to take nothing new%s", f": {reason}" if reason else "")
                if reconnect:
                    self._hint_s = delay_s
                    self._break(Unavailable("the gateway restarts"))
            case e.GatewayFailed(code, detail, run_id):
                _log.warning(
                    "the gateway refused%s: %s %s",
                    f" run {run_id}" if run_id else "",
                    code,
                    detail,
                    extra=_about(run_id),
                )
            case e.CredentialRenewed(token):
                self._credential.renewed(token)
            case e.GatewayDead(reason):
                self._break(Unavailable(f"the gateway is silent ({reason})"))
            case _:
                pass

    def _stop(self, key: tuple[str, int], reason: str) -> None:
        result = self._reports.outbox.forget(key)
        if result is not None:  # it has ended, only its words had no room yet: better its end without them than neither
            self._link.send(result, time.monotonic())
            return
        self._reports.stopping.add(key)
        if not self._pool.stop(key, reason if reason in ("lost", "fence") else "cancelled"):
            self._reports.stopping.discard(key)
            self._link.send(Stopped(run_id=key[0], attempt=key[1], lease_token=""), time.monotonic())

    # ------------------------------------------------------------ one connection

    async def _converse(self, transport: Transport) -> None:
        """From opening to closing; raises why it ended."""
        try:
            try:
                async with asyncio.timeout(OPEN_S):
                    await transport.open()
            except TimeoutError:
                raise Unavailable(f"no connection within {OPEN_S:g} s") from None
            self._link.connected(time.monotonic())
            self._broken = self._loop.create_future()
            self.changed()
            await self._exchange(transport, self._broken)
        finally:
            self._broken = None
            await self._hang_up(transport)

    async def _exchange(self, transport: Transport, broken: asyncio.Future[None]) -> None:
        talks = {
            self._loop.create_task(self._receive(transport), name="link receiver"),
            self._loop.create_task(self._send(transport), name="link sender"),
        }
        try:
            done, _ = await asyncio.wait({*talks, broken}, return_when=asyncio.FIRST_COMPLETED)
            for ended in done:
                ended.result()
        finally:
            broken.cancel()
            for talk in talks:
                talk.cancel()
            await asyncio.gather(*talks, return_exceptions=True)

    async def _hang_up(self, transport: Transport) -> None:
        if self._link.phase is not Phase.AWAY:
            self._pool.watch.announce_all()  # what has begun goes on without a connection, what has not does not
            self.act(self._link.disconnected(time.monotonic()))
            self.changed()
        try:
            async with asyncio.timeout(5.0):
                await transport.close()
        except TimeoutError:
            _log.info("the connection did not close in time")

    async def _receive(self, transport: Transport) -> None:
        while True:
            messages = await transport.receive()
            now = time.monotonic()
            for message in messages:
                self.act(self._link.received(message, now))
            self._pool.dispatch()
            self.changed()

    async def _send(self, transport: Transport) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._spool.flush()
            messages = self._link.outgoing()
            if messages:
                await transport.send(messages)
            if not self._wake.is_set():
                self._said.set()

    # ------------------------------------------------------------ time

    def _tick(self) -> None:
        self._timer, self._timer_at = None, inf
        self.act(self._link.tick(time.monotonic()))
        self.changed()

    async def _keep_house(self) -> None:
        while True:
            running = sum(slot.head is not None for slot in self._pool.slots)
            self._link.load = self._meter.read(running=running, waiting=len(self._pool.here) - running)
            self._spool.tidy()
            self._reports.outbox.pump()
            if self._link.phase is Phase.OPEN and self._credential.is_due(time.time()):
                self._link.send(Renewal(token=""), time.monotonic())
            self.changed()
            await asyncio.sleep(HOUSEKEEPING_S)

    def _break(self, error: TaskgateError) -> None:
        if self._broken is not None and not self._broken.done():
            self._broken.set_exception(error)

    def _is_final(self, error: TaskgateError) -> bool:
        if isinstance(error, RemoteLinkError) and error.code == REPLACED:
            return True
        return isinstance(error, Unauthenticated | Forbidden) and not self._was_welcome


def _about(run_id: str) -> dict[str, str]:
    """The run that a line of the log is about, as its field."""
    return {"run_id": run_id}
