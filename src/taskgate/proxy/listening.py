"""Listening: uvicorn's server with our connections on it, the sockets, and what both are told.

Used by the gateway and by its fronts. When to stop is decided by them, never by a signal handler in here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import uvicorn

from taskgate.errors import Unavailable
from taskgate.proxy.doorway import Fronts
from taskgate.proxy.handshake import PatientSocket

DRAIN_S = 10.0
BACKLOG = 4096
DATED_S = 1.0  # how often the `Date` of answers is read from the clock
STEP_S = 0.01
_log = logging.getLogger(__name__)


class Listener(uvicorn.Server):
    """uvicorn without its own signal handling: `end` makes `serve` return, as soon as all is answered. `is_up` is set
    once it listens."""

    def __init__(self, config: uvicorn.Config, fronts: Fronts, *, handshake_s: float) -> None:
        super().__init__(config)
        self._fronts = fronts
        self._handshake_s = handshake_s
        self.is_up = asyncio.Event()
        self._ending = asyncio.Event()

    def end(self) -> None:
        """The port closes, and what is in flight is finished."""
        self.should_exit = True
        self._ending.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on the given sockets. As uvicorn does it, with our time for a TLS handshake instead of a minute."""
        handshake_s = self._handshake_s if self.config.ssl is not None else None
        loop, config, state = asyncio.get_running_loop(), self.config, self.server_state

        def connection() -> asyncio.Protocol:
            return self._fronts(config, state, self.lifespan.state)

        self.servers = [
            await loop.create_server(
                connection, sock=sock, ssl=config.ssl, backlog=config.backlog, ssl_handshake_timeout=handshake_s
            )
            for sock in sockets or ()
        ]
        self.started = True
        self.is_up.set()

    async def main_loop(self) -> None:
        """Keep the date of answers until the end, and learn of the end at once."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DATED_S):
                    await self._ending.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what is in flight, then cut what would not end. As uvicorn does it, without its pauses."""
        state = self.server_state
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        for connection in tuple(state.connections):
            connection.shutdown()
        try:
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                while state.connections or state.tasks:  # noqa: ASYNC110
                    await asyncio.sleep(STEP_S)
        except TimeoutError:
            _log.warning("requests that did not end in time are cut: %d", len(state.tasks))
            for task in tuple(state.tasks):
                task.cancel()
        self._fronts.cut()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    """A listening socket; `is_shared` lets other processes of this user listen on the same port. Unavailable
    (ADDRESS_IN_USE) when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # named IPPROTO_TCP because asyncio sets TCP_NODELAY on no other: without it every answer waits 40 ms
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host.strip("[]"), port))
    except OSError as error:
        listener.close()
        raise Unavailable(f"cannot listen on {host}:{port}: {error.strerror}", code="ADDRESS_IN_USE") from error
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def listener_config(app: Any, *, tls: ssl.SSLContext | None = None, max_frame_bytes: int) -> uvicorn.Config:
    """How uvicorn serves: our connections, its WebSocket protocol, nothing else of its own."""
    return uvicorn.Config(
        app,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
        ws=PatientSocket,
        ws_max_size=max_frame_bytes,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        lifespan="off",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        date_header=True,
        backlog=BACKLOG,
        timeout_graceful_shutdown=int(DRAIN_S),
    )
