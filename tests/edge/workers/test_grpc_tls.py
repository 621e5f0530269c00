"""TLS of the gRPC door: verified, asked for where authorities are named, renewed while streams stand (F28, F29)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from tests.edge.workers.doors import CONNECT, Doors, GrpcWire, Worker, open_doors
from tests.servers.authority import Authority, Issued

CONNECT_S = 15.0


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


def channel_to(
    port: int, roots: bytes, *, shows: Issued | None = None, options: Sequence[tuple[str, Any]] = ()
) -> grpc.aio.Channel:
    """A channel of its own, with a connection of its own."""
    key, cert = (shows.key, shows.cert) if shows is not None else (None, None)
    credentials = grpc.ssl_channel_credentials(roots, key, cert)
    alone = (("grpc.use_local_subchannel_pool", 1), *options)
    return grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials, options=alone)


async def is_served(port: int, roots: bytes, *, shows: Issued | None = None) -> bool:
    """Whether a handshake and a first call succeed."""
    async with channel_to(port, roots, shows=shows) as channel:
        try:
            request = health_pb2.HealthCheckRequest(service="")
            await health_pb2_grpc.HealthStub(channel).Check(request, timeout=CONNECT_S)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                return False
            raise
    return True


def seen_certificate(port: int) -> str:
    """What the door shows."""
    import ssl

    return ssl.get_server_certificate(("127.0.0.1", port), timeout=CONNECT_S)


@asynccontextmanager
async def secured(folder: Path, issued: Issued, **more: Any) -> AsyncIterator[Doors]:
    grpc_settings = {"tls_cert_path": str(issued.cert_path), "tls_key_path": str(issued.key_path), **more}
    async with open_doors(folder / "data", grpc=grpc_settings) as doors:
        yield doors


async def test_the_door_speaks_tls_alone(tmp_path: Path, authority: Authority) -> None:
    other = Authority(tmp_path / "other")
    async with secured(tmp_path, authority.issue("gate")) as doors:
        port = doors.server.grpc_port
        assert await is_served(port, authority.cert)
        assert not await is_served(port, other.cert)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as plain:
            with pytest.raises(grpc.aio.AioRpcError):
                await health_pb2_grpc.HealthStub(plain).Check(health_pb2.HealthCheckRequest(), timeout=CONNECT_S)


async def test_a_client_certificate_is_needed_where_authorities_are_named(tmp_path: Path, authority: Authority) -> None:
    worker, stranger = authority.issue("w1"), Authority(tmp_path / "other").issue("w1")
    async with secured(tmp_path, authority.issue("gate"), tls_ca_path=str(authority.path)) as doors:
        port = doors.server.grpc_port
        assert await is_served(port, authority.cert, shows=worker)
        assert not await is_served(port, authority.cert)
        assert not await is_served(port, authority.cert, shows=stranger)


async def test_a_second_port_asks_for_certificates_alone(tmp_path: Path, authority: Authority) -> None:
    more = {"tls_ca_path": str(authority.path), "mtls_port": 0}
    async with secured(tmp_path, authority.issue("gate"), **more) as doors:
        door = doors.server.grpc_door
        assert door is not None
        assert await is_served(doors.server.grpc_port, authority.cert)
        assert not await is_served(door.mtls_port, authority.cert)
        assert await is_served(door.mtls_port, authority.cert, shows=authority.issue("w1"))


async def test_f28_a_renewed_certificate_serves_and_streams_stand(tmp_path: Path, authority: Authority) -> None:
    old, new = authority.issue("gate"), authority.issue("renewed")
    async with (
        secured(tmp_path, old) as doors,
        channel_to(doors.server.grpc_port, authority.cert) as channel,
    ):
        call: Any = channel.stream_stream(CONNECT)(metadata=[("x-api-key", doors.worker_key), ("x-worker-id", "w1")])
        worker = Worker(GrpcWire(call))
        await worker.hello()
        new.install(old.cert_path, old.key_path)
        async with asyncio.timeout(CONNECT_S):
            while True:
                if await asyncio.to_thread(seen_certificate, doors.server.grpc_port) == new.cert.decode():
                    break
                await asyncio.sleep(0.1)
        run_id = await doors.submit()
        task = await worker.begin()
        assert (await worker.finish(task, {})).run_id == run_id


async def test_f29_authorities_change_without_a_failed_handshake(tmp_path: Path, authority: Authority) -> None:
    """Old, both, new, and back: whoever is in trust at both ends of a step is never refused in between."""
    second = Authority(tmp_path / "second")
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(authority.cert)
    old, new = authority.issue("w1"), second.issue("w1")
    async with secured(tmp_path, authority.issue("gate"), tls_ca_path=str(bundle)) as doors:
        port, failed = doors.server.grpc_port, 0
        assert not await is_served(port, authority.cert, shows=new)
        for roots, steady, until in (
            (authority.cert + second.cert, old, new),
            (second.cert, new, None),
            (authority.cert + second.cert, new, old),
        ):
            fresh = bundle.with_suffix(".new")
            fresh.write_bytes(roots)
            fresh.replace(bundle)
            async with asyncio.timeout(CONNECT_S):
                while True:
                    failed += not await is_served(port, authority.cert, shows=steady)
                    if until is None and not await is_served(port, authority.cert, shows=old):
                        break
                    if until is not None and await is_served(port, authority.cert, shows=until):
                        break
                    await asyncio.sleep(0.1)
        assert failed == 0
