"""The door under the server that carries it in production: our front under uvicorn on uvloop, in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from taskgate.config import Settings
from taskgate.edge.settings import GrpcSettings, HttpSettings
from taskgate.proxy.settings import ProxySettings
from taskgate.runs.task import TaskDefinition
from taskgate.secret import Url
from taskgate.server import Server
from taskgate.stores.settings import DatabaseSettings
from tests.edge.http.house import House

T = TypeVar("T")


class Served:
    """A whole gateway in memory that listens on a port of this machine."""

    def __init__(
        self,
        folder: Path,
        *definitions: TaskDefinition,
        http: HttpSettings | None = None,
        proxy: ProxySettings | None = None,
    ) -> None:
        self._settings = Settings(
            data_dir=str(folder),
            http=http or HttpSettings(port=0),
            proxy=proxy or ProxySettings(),
            grpc=GrpcSettings(enabled=False),
            database=DatabaseSettings(url=Url("memory:")),
        )
        self._definitions = definitions
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._main, name="served house", daemon=True)
        self.port = 0

    def __enter__(self) -> Served:
        self._thread.start()
        if not self._is_up.wait(20):
            raise TimeoutError("the house did not open")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._server.stop)
        self._thread.join(20)
        assert not self._thread.is_alive()

    @property
    def url(self) -> str:
        return self._server.url

    def key(self, *scopes: str, site: str = "acme") -> str:
        """A fresh key's text."""
        return self.do(self.house.key(*scopes, site=site))

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Something that has to happen on the gateway's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def _main(self) -> None:
        uvloop.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = Server(self._settings)
        self.house = House(self._server.gateway)
        running = asyncio.create_task(self._server.run())
        await self._server.ready.wait()
        await self.house.define(*self._definitions)
        self.port = self._server.http_port
        self._is_up.set()
        await running
