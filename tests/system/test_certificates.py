"""Certificates with real workers and real handshakes: a worker that has nothing else, and renewals under open streams.

F28: a renewed certificate serves the next handshake and ends no stream. F34: what is half written changes nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509

from taskgate.config import Settings
from taskgate.edge.settings import GrpcSettings, HttpSettings
from taskgate.identity.settings import AuthSettings
from taskgate.secret import Url
from taskgate.server import Server
from taskgate.stores.settings import DatabaseSettings
from taskgate.testing.authority import Authority, Leaf
from tests.system.cluster import ROOT

pytestmark = pytest.mark.system
RULES = ("/site/{site}/worker/{worker} = worker worker read submit",)
PATIENCE_S = 30.0
URI = "spiffe://mesh.example/site/acme/worker/gpu-1"


class Secured:
    """A gateway whose two doors speak TLS and ask for certificates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(now=time.time())
        self.authority.root.write(folder, "ca")
        self.ca = folder / "ca.pem"
        self.cert, self.key = self.server_leaf().write(folder, "server")
        paths = {"tls_cert_path": self.cert, "tls_key_path": self.key, "tls_ca_path": self.ca}
        files: dict[str, Any] = {name: str(path) for name, path in paths.items()}
        self.server = Server(
            Settings(
                data_dir=str(folder / "data"),
                http=HttpSettings(port=0, **files),
                grpc=GrpcSettings(port=0, mtls_port=0, **files),
                database=DatabaseSettings(url=Url("memory:")),
                auth=AuthSettings(trust_domain="mesh.example", certificate_rules=RULES),
            )
        )

    def server_leaf(self) -> Leaf:
        return self.authority.leaf(others=[x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])

    def client_files(self, uri: str = URI) -> tuple[Path, Path]:
        return self.authority.leaf([uri]).write(self.folder, "client")

    def context(self, uri: str = URI) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.ca))
        context.load_cert_chain(*self.client_files(uri))
        return context

    def shown(self) -> str:
        """The certificate that a new handshake meets."""
        return ssl.get_server_certificate(("127.0.0.1", self.server.http_port), timeout=PATIENCE_S)


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[Secured]:
    made = Secured(tmp_path)
    running = asyncio.create_task(made.server.run())
    async with asyncio.timeout(PATIENCE_S):
        await made.server.ready.wait()
    yield made
    made.server.stop()
    await running


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not await holds():
        assert time.monotonic() < deadline, "it did not become so"
        await asyncio.sleep(0.05)


@asynccontextmanager
async def working(secured: Secured, *, transport: str, with_certificate: bool = True) -> AsyncIterator[Path]:
    """`taskgate worker` with no token at all; yields its log."""
    door = secured.server.grpc_door
    assert door is not None
    cert, key = secured.client_files()
    arguments = ["worker", "--gateway", secured.server.url, "--ca", str(secured.ca), "--name", "gpu-1"]
    if with_certificate:
        arguments += ["--cert", str(cert), "--key", str(key)]
    arguments += ["--transport", transport, "--grpc", f"127.0.0.1:{door.mtls_port}", "--tasks", "tests.system.tasks"]
    arguments += ["--slots", "1", "--state-dir", str(secured.folder / "worker.d")]
    environment = {name: text for name, text in os.environ.items() if not name.startswith("TASKGATE_")}
    log = secured.folder / "worker.log"
    with log.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "taskgate", *arguments, cwd=ROOT, env=environment, stdout=out, stderr=out
        )
    try:
        yield log
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            await process.wait()


@pytest.mark.parametrize("transport", ["websocket", "grpc"])
async def test_a_worker_with_nothing_but_a_certificate_works(secured: Secured, transport: str) -> None:
    fleet = secured.server.gateway.fleet

    async def is_there() -> bool:
        return fleet.find("gpu-1") is not None

    async with working(secured, transport=transport) as log, aiohttp.ClientSession() as session:
        await until(is_there)
        holder = fleet.find("gpu-1")
        assert holder is not None
        assert (holder.transport, holder.site_id, "token" in log.read_text()) == (transport, "acme", False)
        url, tls = f"{secured.server.url}/v1/tasks/sys.echo/runs", secured.context()
        headers = {"Prefer": f"wait={int(PATIENCE_S)}"}
        async with session.post(url, json={"input": {"value": "hello"}}, headers=headers, ssl=tls) as answer:
            assert answer.status == 200, await answer.text()
            assert (await answer.json())["status"] == "succeeded"


async def test_f28_f34_renewals_of_the_https_port_end_no_stream(secured: Secured) -> None:
    base, tls = secured.server.url.replace("https", "wss"), secured.context()
    first, second, third = secured.cert.read_text(), secured.server_leaf(), secured.server_leaf()
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{base}/ws/workers/gpu-1", ssl=tls) as socket,
    ):
        hello = {"type": "hello", "worker_id": "gpu-1", "versions": [1], "capabilities": ["echo"]}
        await socket.send_json(hello)
        assert "welcome" in (await socket.receive(timeout=PATIENCE_S)).data

        async def is_alive() -> None:
            await socket.send_json({"type": "heartbeat", "nonce": "n"})
            assert '"n"' in (await socket.receive(timeout=PATIENCE_S)).data

        for leaf, before in ((second, first), (third, second.pem.decode())):
            secured.cert.write_text("-----BEGIN CERTIFICATE-----\nhalf")  # F34: in the middle of being written
            for _ in range(3):  # longer than it takes until somebody looks
                await asyncio.sleep(0.4)
                assert await asyncio.to_thread(secured.shown) == before
            await is_alive()
            leaf.write(secured.folder, "server")

            async def is_shown(leaf: Leaf = leaf) -> bool:
                return await asyncio.to_thread(secured.shown) == leaf.pem.decode()

            await until(is_shown)
            await is_alive()
            async with session.get(f"{secured.server.url}/v1/runs", ssl=secured.context()) as answer:
                assert answer.status == 200  # a new handshake is authenticated as before
