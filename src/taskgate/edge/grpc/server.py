"""The gRPC server: where it listens, what it bounds, when it is healthy.

Every bound is set by hand, because the library's own defaults have none: streams per connection, metadata, message
sizes, and how often a client may ping (workers behind NAT do every 30 s). Reflection is off.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]
from grpc_health.v1.health import aio as health  # type: ignore[import-untyped]

from taskgate.edge.gate import Gate
from taskgate.edge.grpc.admission import Admission
from taskgate.edge.grpc.credentials import credentials_of
from taskgate.edge.grpc.peers import Peers
from taskgate.edge.grpc.polling import Polls
from taskgate.edge.grpc.rates import CallRates, Shared
from taskgate.edge.grpc.service import SERVICE, GatewayService
from taskgate.edge.settings import GrpcSettings
from taskgate.edge.workers.rooms import WorkerRooms
from taskgate.errors import Unavailable
from taskgate.limits.bucket import Rate
from taskgate.tls.watching import Certificates

GRACE_S = 5.0
METADATA_BYTES = 8 << 10
HANDSHAKE_MS = 10_000
ENVELOPE_BYTES = 64 << 10


def options(max_frame_bytes: int, *, idle_s: float) -> tuple[tuple[str, int], ...]:
    """The server's bounds. Keepalive numbers fit clients that ping every 30 s without data. A connection on which there
    is no call is ended, so that one which only ever begins to speak (an endless header, nothing at all) is not kept."""
    idle_ms = int(idle_s * 1000)
    return (
        ("grpc.so_reuseport", 0),
        ("grpc.max_concurrent_streams", 100),
        ("grpc.max_metadata_size", METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", METADATA_BYTES),
        ("grpc.max_receive_message_length", max_frame_bytes + ENVELOPE_BYTES),
        ("grpc.max_send_message_length", max_frame_bytes + ENVELOPE_BYTES),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_connection_idle_ms", idle_ms),
        ("grpc.server_handshake_timeout_ms", min(idle_ms, HANDSHAKE_MS)),
    )


class GrpcDoor:
    """Opens and closes the gRPC server of one gateway."""

    def __init__(
        self,
        rooms: WorkerRooms,
        settings: GrpcSettings,
        *,
        gate: Gate,
        certificates: Certificates | None = None,
        shared: Shared | None = None,
    ) -> None:
        self._certificates = certificates
        self._settings = settings
        self._polls = Polls(rooms)
        self._health = health.HealthServicer()
        self._service = GatewayService(rooms, self._polls)
        self._admission = _admission(rooms, settings, gate=gate, shared=shared)
        self._max_frame_bytes = rooms.link.max_frame_bytes
        self._server: grpc.aio.Server | None = None
        self.mtls_port = 0

    async def start(self) -> int:
        """Listen; returns the port. Unavailable when the address is taken."""
        server = grpc.aio.server(options=options(self._max_frame_bytes, idle_s=self._settings.idle_s))
        server.add_generic_rpc_handlers((self._service.handlers(self._admission),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        port = self._listen(server)
        await server.start()
        self._server = server
        await self._polls.start()
        for name in ("", SERVICE):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return port

    def _listen(self, server: grpc.aio.Server) -> int:
        """Open the port, and the second one where only some workers show certificates."""
        settings, certificates = self._settings, self._certificates
        if certificates is None:
            return self._bound(settings.port, server.add_insecure_port)
        is_apart = settings.mtls_port is not None
        credentials = credentials_of(certificates, is_client_required=bool(settings.tls_ca_path) and not is_apart)
        port = self._bound(settings.port, lambda address: server.add_secure_port(address, credentials))
        if settings.mtls_port is not None:
            strict = credentials_of(certificates, is_client_required=True)
            self.mtls_port = self._bound(settings.mtls_port, lambda address: server.add_secure_port(address, strict))
        return port

    def _bound(self, port: int, bind: Callable[[str], int]) -> int:
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        bound = 0
        with suppress(RuntimeError):
            bound = bind(f"{host}:{port}")
        if not bound:
            raise Unavailable(f"cannot listen on {host}:{port}", code="ADDRESS_IN_USE")
        return bound

    async def stop(self) -> None:
        """Say NOT_SERVING, let calls in flight end for a while, then stop listening. Safe to call twice."""
        server, self._server = self._server, None
        if server is None:
            return
        await self._health.enter_graceful_shutdown()
        await self._polls.stop()
        await server.stop(GRACE_S)


def _admission(rooms: WorkerRooms, settings: GrpcSettings, *, gate: Gate, shared: Shared | None) -> Admission:
    rate = Rate(rate=settings.rate_limit_rate, burst=float(settings.rate_limit_capacity))
    return Admission(
        gate,
        peers=Peers(rooms.clock, resets_per_min=settings.resets_per_min, connections=settings.max_connections),
        rates=CallRates(rooms.clock, rate if settings.rate_limit_enabled else None, shared=shared),
    )
