"""A whole worker but for its supervisor: link, exchange, pool with real task processes, spool; and a fake gateway."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from taskgate.secret import Secret
from taskgate.wire.messages import Hello
from taskgate.wire.worker_link import WorkerLink
from taskgate.worker.cgroups import CageYard
from taskgate.worker.credential import Credential
from taskgate.worker.exchange import Exchange
from taskgate.worker.grpc import GrpcTransport
from taskgate.worker.reports import Reports
from taskgate.worker.settings import WorkerSettings
from taskgate.worker.slots import Pool
from taskgate.worker.spool import Spool
from taskgate.worker.websocket import WebSocketTransport
from tests.flows.worker.bench import TASKS, WITHIN_S
from tests.flows.worker.gateway import KEY, FakeGateway

_numbers = itertools.count(1)


class Rig:
    """Built like the link process builds itself."""

    def __init__(self, gateway: FakeGateway, folder: Path, *, transport: str = "websocket", **settings: Any) -> None:
        values: dict[str, Any] = {
            "tasks": (TASKS,), "slots": 1, "nice": 0, "cancel_grace_s": 0.4, "term_grace_s": 0.4, "token": Secret(KEY),
            "gateway": gateway.url, "grpc_target": gateway.grpc_address, "transport": transport,
        }  # fmt: skip
        self.settings = WorkerSettings(**{**values, **settings})
        self.spool = Spool(folder)
        hello = Hello(worker_id="w1", instance="i1", versions=[1], slots=1)
        self.link = WorkerLink(hello, capacity=0, results=self.spool.load())
        self.reports = Reports(self.link, self.spool, wake=self._changed)
        self.pool = Pool(
            self.settings, self.reports, yard=CageYard({}), nonce=f"rig-{os.getpid()}-{next(_numbers)}", is_alone=False
        )
        self.exchange = Exchange(
            self.link, self.pool, reports=self.reports, spool=self.spool, credential=Credential(Secret(""), folder)
        )
        self.running: asyncio.Task[None] | None = None
        self._is_stopped = False

    async def start(self) -> None:
        offers = await self.pool.start()
        names = [offer.name for offer in offers]
        self.link.hello = msgspec.structs.replace(self.link.hello, tasks=list(offers), capabilities=names)
        self.running = asyncio.create_task(self.exchange.run(self._connect))

    async def stop(self) -> None:
        if self._is_stopped:
            return
        self._is_stopped = True
        if self.running is not None:
            self.running.cancel()
            with contextlib.suppress(BaseException):
                await self.running
        await self.pool.close()
        self.spool.close()

    def _changed(self) -> None:
        self.exchange.changed()

    def _connect(self) -> WebSocketTransport | GrpcTransport:
        kind = GrpcTransport if self.settings.transport == "grpc" else WebSocketTransport
        return kind(self.settings, "w1")


async def until(claim: Callable[[], object], within_s: float = WITHIN_S) -> None:
    """Poll until the claim is true."""
    async with asyncio.timeout(within_s):
        while not claim():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
