"""The link process: holds the connection, the credential and the leases; runs no code of any task.

Started by the supervisor as `python -P -m taskgate.worker.link_process`. It ends with 0 when it was asked to end,
with EXIT_FATAL when starting it again would not help, and is started again after anything else. First SIGTERM:
take nothing new, finish what runs, have every result acknowledged, say goodbye. Second SIGTERM, or the
supervisor's death: end every task process, say goodbye, go.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import platform
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

import taskgate
from taskgate.errors import InvalidInput, TaskgateError
from taskgate.wire.link import Phase
from taskgate.wire.messages import PROTOCOL_VERSION, Bye, Drain, Hello
from taskgate.wire.worker_link import WorkerLink
from taskgate.worker.cgroups import find_yard
from taskgate.worker.confinement import adopt_orphans, die_with_parent, hide_memory
from taskgate.worker.credential import Credential
from taskgate.worker.exchange import Exchange
from taskgate.worker.grpc import GrpcTransport
from taskgate.worker.logs import log_to_stderr
from taskgate.worker.order import EXIT_FATAL, Order, read_order
from taskgate.worker.reports import Reports
from taskgate.worker.settings import WorkerSettings
from taskgate.worker.slots import Pool
from taskgate.worker.spans import spans_of
from taskgate.worker.spool import Spool
from taskgate.worker.transport import Transport
from taskgate.worker.uploads import Uploads
from taskgate.worker.websocket import WebSocketTransport

SETTLE_S = 10.0  # how long a drained worker waits for a gateway that is away to take its last results
FAREWELL_S = 2.0
_log = logging.getLogger("taskgate.worker.link_process")  # not __main__


class LinkProcess:
    """Everything between the gateway and the task processes of one worker."""

    def __init__(self, order: Order, settings: WorkerSettings) -> None:
        self._order = order
        self._settings = settings
        self._asked_count = 0
        self._asked = asyncio.Event()
        self._news = asyncio.Event()
        self._spool = Spool(Path(order.folder))
        self.link = WorkerLink(self._hello(), capacity=0, results=self._spool.load())
        self._spans = spans_of(settings, order.worker_id)
        self._reports = Reports(self.link, self._spool, wake=self._changed, spans=self._spans)
        yard = find_yard()
        yard.sweep(order.nonce)
        self._pool = Pool(settings, self._reports, yard=yard, nonce=order.nonce)
        self.credential = Credential(settings.token, Path(order.folder))
        self._pool.spans = self._spans
        self._pool.uploads = self._uploads = Uploads(settings, self.credential)
        self._exchange = Exchange(
            self.link, self._pool, reports=self._reports, spool=self._spool, credential=self.credential
        )
        self._exchange.on_change = self._news.set

    async def run(self, connect: Callable[[], Transport]) -> int:
        """The whole life; the exit code."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._hear)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD})
        try:
            self._spans.start()
            offers = await self._pool.start()
            names = [offer.name for offer in offers]
            self.link.hello = msgspec.structs.replace(self.link.hello, tasks=list(offers), capabilities=names)
            _log.info("tasks: %s", ", ".join(sorted(names)))
            return await self._work(loop.create_task(self._exchange.run(connect), name="exchange"))
        except InvalidInput as error:
            _log.error("%s", error.detail)
            return EXIT_FATAL
        finally:
            await self._pool.close()
            await self._uploads.close()
            await self._spans.close()
            self._spool.close()

    async def _work(self, exchange: asyncio.Task[None]) -> int:
        asked = asyncio.create_task(self._asked.wait())
        try:
            await asyncio.wait({exchange, asked}, return_when=asyncio.FIRST_COMPLETED)
            if exchange.done():
                return self._ended(exchange)
            is_drained = await self._drain(exchange)
            await self._pool.close()  # goodbye ends our leases: by then nothing may run any more
            await self._say_goodbye(is_drained)
            return 0
        finally:
            asked.cancel()
            exchange.cancel()
            await asyncio.gather(asked, exchange, return_exceptions=True)

    async def _drain(self, exchange: asyncio.Task[None]) -> bool:
        """Finish what runs, as far as we are let; whether nothing is left."""
        started_at = time.monotonic()
        self.link.send(Drain(reason="the worker stops"), started_at)
        self._pool.watch.give_back("draining")
        self._changed()
        idle_at: float | None = None
        while self._asked_count < 2 and not exchange.done():
            if not (self._pool.here or self.link.active_count):
                if not self.link.unsettled_count and self._reports.outbox.is_empty:
                    return True
                idle_at = time.monotonic() if idle_at is None else idle_at
                if self.link.phase is not Phase.OPEN and time.monotonic() - idle_at > SETTLE_S:
                    _log.warning("%d results stay on disk: the gateway is away", self.link.unsettled_count)
                    return False
            if self._settings.drain_s is not None and time.monotonic() - started_at > self._settings.drain_s:
                _log.warning("%d runs did not end in time and are stopped", len(self._pool.here))
                return False
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await self._news.wait()
        return False

    async def _say_goodbye(self, is_drained: bool) -> None:  # noqa: FBT001
        if self.link.phase is not Phase.OPEN:
            return
        self.link.send(Bye(reason="the worker stops", drained=is_drained), time.monotonic())
        self._changed()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await self._exchange.said_all()

    def _ended(self, exchange: asyncio.Task[None]) -> int:
        """The exchange gave up, which it does only when no reconnect can mend it."""
        error = exchange.exception()
        if isinstance(error, TaskgateError):
            _log.error("%s", error.detail or error.code)
            return EXIT_FATAL
        raise error or RuntimeError("the exchange ended")

    def _hear(self) -> None:
        """SIGTERM; from the kernel when the supervisor has died, and then there is nobody to drain for."""
        self._asked_count += 1 if os.getppid() == self._order.supervisor_pid else 2
        _log.info("stopping: %s", "finishing what runs" if self._asked_count == 1 else "at once")
        self._asked.set()
        self._news.set()

    def _changed(self) -> None:
        self._exchange.changed()

    def _hello(self) -> Hello:
        metadata = {
            "title": self._settings.title,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "taskgate": taskgate.__version__,
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
        }
        return Hello(
            worker_id=self._order.worker_id,
            instance=secrets.token_hex(8),
            versions=[PROTOCOL_VERSION],
            labels=dict(self._settings.labels),
            slots=self._settings.slots,
            metadata=metadata,
        )


def main() -> int:
    """Read the order from standard input and work until asked to stop."""
    order, settings = read_order(sys.stdin.buffer.read())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not die_with_parent(order.supervisor_pid, by=signal.SIGTERM):
        return 0
    hide_memory()
    adopt_orphans()
    log_to_stderr(settings)
    kind = GrpcTransport if settings.transport == "grpc" else WebSocketTransport

    async def work() -> int:
        try:
            process = LinkProcess(order, settings)
        except TaskgateError as error:
            _log.error("%s", error.detail or error.code)
            return EXIT_FATAL
        own = process.credential
        return await process.run(lambda: kind(dataclasses.replace(settings, token=own.token), order.worker_id))

    return _runner()(work())


def _runner() -> Callable[..., int]:
    """uvloop where it is installed: the server's extra brings it, a worker does not need it."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    run: Callable[..., int] = uvloop.run
    return run


if __name__ == "__main__":
    sys.exit(main())
