"""One gateway process: its doors, its first keys, its signals, its end.

Order of opening: stores and background work (`starting.py`), then the doors; `gateway.json` is written last, so
whoever finds it finds a gateway that answers. Order of closing (SIGTERM or SIGINT): the port closes, workers are asked
to come back later, the doors finish what is in flight, then the stores close. A second signal leaves at
once; nothing that was accepted is lost by that.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taskgate import __version__
from taskgate.assembly import Gateway, build
from taskgate.config import Settings
from taskgate.edge.http.app import HttpDoor, build_http
from taskgate.edge.http.call import Asgi
from taskgate.edge.waiting import WaitingDoor
from taskgate.edge.ws.workers import WorkerSocket
from taskgate.errors import TaskgateError
from taskgate.ground import no_probe
from taskgate.leaving import make_room
from taskgate.lifespan import Lifespan
from taskgate.past import note_start
from taskgate.proxy.doorway import Fronts
from taskgate.proxy.listening import Listener, listen, listener_config
from taskgate.proxy.trust import SocketTrust, Trust
from taskgate.runs.duty import in_turn
from taskgate.starting import start_patiently
from taskgate.telemetry.logs import setup_logs
from taskgate.tls.doors import certificates_of

if TYPE_CHECKING:
    import uvicorn

    from taskgate.edge.grpc.server import GrpcDoor
    from taskgate.fronts.company import Company
    from taskgate.tls.watching import Certificates

_log = logging.getLogger(__name__)
WATCH_S = 0.25
SWITCH_S = 0.0005
GC_THRESHOLDS = (20_000, 20, 50)  # runs and messages hold no cycles: look seldom


class Server:
    """A running gateway. `ready` is set once every door answers."""

    def __init__(self, settings: Settings, *, probe: Callable[[str], None] = no_probe) -> None:
        self._settings = settings
        self.gateway: Gateway = build(settings, probe=probe)
        self._gate = self.gateway.gate
        self.ready = asyncio.Event()
        self.http_port = 0
        self.grpc_port = 0
        self.grpc_door: GrpcDoor | None = None
        self._tls: Certificates | None = None
        self._grpc_tls: Certificates | None = None
        self._watched = Lifespan()
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Ask for the orderly end; the second time leave at once."""
        if self._stop.is_set():
            os._exit(1)
        self._stop.set()

    async def run(self) -> None:
        """Serve until `stop`. Raises InvalidInput for a certificate that cannot serve, Unavailable when an address is
        taken or a server stayed away for longer than the start may wait, StoreError when a store is broken, and
        any TaskgateError when a part of the gateway died: a supervisor starts it again."""
        settings = self._settings.http
        self._open_certificates()
        listener = listen(settings.host, settings.port, is_shared=settings.workers > 1)
        self.http_port = listener.getsockname()[1]
        self.gateway.reach.shut(self.http_port)
        try:
            if await start_patiently(
                self._begin,
                wait_s=self._settings.database.start_wait_s if self.gateway.stores.backends else 0.0,
                stop=self._stop,
                door=lambda: self._waiting_door(listener),
            ):
                await self._watched.start()
                await self._serve(listener)
        finally:
            listener.close()
            await self._watched.stop()
            await self.gateway.stop()
            if self.ready.is_set():
                self._forget_address()

    async def _begin(self) -> None:
        """Start what serves, and leave nothing behind where that fails."""
        await self.gateway.start()
        try:
            await note_start(self.gateway.past, self._settings)
            await ensure_first_keys(self.gateway, self._settings.data_path)
        except BaseException:
            await self.gateway.life.stop()
            raise

    @asynccontextmanager
    async def _waiting_door(self, listener: socket.socket) -> AsyncIterator[None]:
        """While the gateway is not there yet its port says so."""
        proxy = self._settings.proxy
        config = self._listening(WaitingDoor())
        config.timeout_graceful_shutdown = 1
        door = Listener(config, Fronts(settings=proxy), handshake_s=proxy.handshake_s)
        serving = asyncio.create_task(door.serve(sockets=[listener.dup()]), name="waiting door")
        try:
            await _first(door.is_up.wait(), serving)
            yield
        finally:
            door.end()
            await serving

    async def _serve(self, listener: socket.socket) -> None:
        """Open the doors, the one that may fail first; close them when the time has come or a part has failed."""
        grpc = await self._open_grpc() if self._settings.grpc.enabled else None
        sockets = WorkerSocket(self.gateway.worker_rooms, self._gate)
        http = build_http(self.gateway, sockets=sockets, gate=self._gate)
        proxy = self._settings.proxy
        fronts = Fronts(self.gateway.plane, proxy, certifiers=Trust(self._settings.auth.certificate_proxies))
        door = Listener(self._listening(http), fronts, handshake_s=proxy.handshake_s)
        serving = asyncio.create_task(door.serve(sockets=[listener]), name="http door")
        failure = None
        company = None
        if await _first(door.is_up.wait(), serving):
            company = await self._open_company(door)
            self._write_address()
            gc.freeze()  # what stands now stands for good: later collections pass it by
            self.ready.set()
            failure = await self._until_stopped(serving, company)
        await self._close_doors(http, door, serving, grpc=grpc, company=company)
        if failure is not None:
            raise failure

    def _listening(self, http: Asgi) -> uvicorn.Config:
        door = self._settings.http
        return listener_config(
            http,
            tls=None if self._tls is None else self._tls.context(is_client_required=door.tls_client_required),
            max_frame_bytes=self._settings.link.max_frame_bytes,
        )

    def _open_certificates(self) -> None:
        """Read what the doors show; InvalidInput for what cannot serve."""
        settings, clock = self._settings, self.gateway.clock
        self._tls = certificates_of("http", settings.http, clock=clock)
        self._grpc_tls = certificates_of("grpc", settings.grpc, clock=clock) if settings.grpc.enabled else None
        self._watched = Lifespan(*[found for found in (self._tls, self._grpc_tls) if found is not None])

    async def _open_company(self, door: Listener) -> Company | None:
        """The further processes of this gateway, where settings want some."""
        count = self._settings.http.workers
        if count == 1:
            return None
        from taskgate.fronts.company import Company

        inner = Fronts(self.gateway.plane, self._settings.proxy, trust=SocketTrust(), certifiers=SocketTrust())
        company = Company(
            self.gateway,
            ports=(self.http_port, self.grpc_port),
            count=count,
            connection=lambda: inner(door.config, door.server_state, {}),
        )
        await company.start()
        return company

    async def _open_grpc(self) -> GrpcDoor:
        from taskgate.edge.grpc.server import GrpcDoor

        door = GrpcDoor(
            self.gateway.worker_rooms,
            self._settings.grpc,
            gate=self._gate,
            certificates=self._grpc_tls,
            shared=self.gateway.plane.shared,
        )
        self.grpc_door = door
        self.grpc_port = await door.start()
        for port in (self.grpc_port, door.mtls_port):
            self.gateway.reach.shut(port)
        return door

    async def _until_stopped(self, serving: asyncio.Task[None], company: Company | None) -> TaskgateError | None:
        """Why the gateway cannot go on, None when it was asked to end. A part that died is never served without."""
        stopping = asyncio.create_task(self._stop.wait())
        try:
            while not (stopping.done() or serving.done()):
                failure = (
                    self.gateway.life.ailment()
                    or self._watched.ailment()
                    or (company.ailment if company is not None else None)
                )
                if failure is not None:
                    _log.critical("the gateway ends: %s", failure)
                    return failure
                await asyncio.wait({stopping, serving}, timeout=WATCH_S, return_when=asyncio.FIRST_COMPLETED)
            _log.info("asked to end: workers are sent away, what was begun is answered")
        finally:
            stopping.cancel()
        return None

    async def _close_doors(
        self,
        http: HttpDoor,
        door: Listener,
        serving: asyncio.Task[None],
        *,
        grpc: GrpcDoor | None,
        company: Company | None,
    ) -> None:
        await make_room(self.gateway, lambda: door.server_state.connections)
        door.end()  # the port closes first: who cannot be served is not let in to be told so
        await asyncio.sleep(0)
        if grpc is not None:
            await grpc.stop()
        http.close()
        self.gateway.waits.close()
        if company is not None:
            await company.stop()
        await serving
        self.gateway.intake.closed = True

    # ---------------------------------------------------------------- telling the command line where we are

    @property
    def url(self) -> str:
        """The address for callers on this machine."""
        host = self._settings.http.host
        host = "127.0.0.1" if host in ("", "0.0.0.0") else "[::1]" if host == "::" else host  # noqa: S104
        scheme = "https" if self._settings.http.tls_cert_path else "http"
        return f"{scheme}://{host}:{self.http_port}"

    def _write_address(self) -> None:
        folder = self._settings.data_path
        folder.mkdir(parents=True, exist_ok=True)
        grpc = f"{self._settings.grpc.host}:{self.grpc_port}"
        told = f"gRPC at {grpc}" if self.grpc_door is not None else "no gRPC"
        _log.info("taskgate %s serves at %s (documents: %s/docs), %s", __version__, self.url, self.url, told)
        address = {"url": self.url, "grpc": grpc, "pid": os.getpid()}
        fresh = folder / "gateway.json.new"
        fresh.write_text(json.dumps(address) + "\n", encoding="utf-8")
        fresh.replace(folder / "gateway.json")

    def _forget_address(self) -> None:
        (self._settings.data_path / "gateway.json").unlink(missing_ok=True)


async def ensure_first_keys(gateway: Gateway, folder: Path) -> None:
    """Make the admin key and the worker key of a new installation, each in a file only its owner can read.

    Of several gateways that share their keys the first makes them; the others never make more.
    """
    if not gateway.settings.auth.enabled:
        return
    is_shared = gateway.stores.is_shared
    async with in_turn(gateway.stores.leadership, "first keys") if is_shared else nullcontext():
        await _make_first_keys(gateway, folder, is_shared=is_shared)


async def _make_first_keys(gateway: Gateway, folder: Path, *, is_shared: bool) -> None:
    standing = {record.name for record in await gateway.keys.all()}
    wanted = {
        "admin": (("admin",), "user"),
        "worker": (("worker", "serve:*"), "worker"),
    }
    for name, (scopes, kind) in wanted.items():
        path = folder / f"{name}.key"
        if f"first {name}" in standing and (is_shared or path.exists()):
            continue
        record, text = await gateway.keys.create(None, name=f"first {name}", scopes=scopes, kind=kind)
        detail = {"name": record.name, "scopes": scopes, "kind": kind}
        await gateway.past.audit.note("key.create", subject=record.id, detail=detail)
        _write_secret(path, text)
        _log.info("the first %s key is in %s", name, path)


def run(settings: Settings, *, probe: Callable[[str], None] = no_probe) -> int:
    """Serve in this process until a signal; returns the exit code."""
    import uvloop

    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # what is started from here never goes on as a fork
    setup_logs(settings.log)
    # The store's threads wait for the interpreter at most this long beside a busy event loop.
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(*GC_THRESHOLDS)

    async def serve() -> None:
        server = Server(settings, probe=probe)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.stop)
        await server.run()

    uvloop.run(serve())
    return 0


async def _first(event: Coroutine[Any, Any, Any], other: asyncio.Task[None]) -> bool:
    """Whether the event came before the other task ended."""
    coming = asyncio.ensure_future(event)
    await asyncio.wait({coming, other}, return_when=asyncio.FIRST_COMPLETED)
    coming.cancel()
    return coming.done()


def _write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read, made with that mode from the first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text + "\n")
