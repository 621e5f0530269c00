"""Client certificates over real TLS: who shows one is who it names; what others tell of certificates is deleted."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
from cryptography import x509

from taskgate.config import Settings
from taskgate.edge.settings import GrpcSettings, HttpSettings
from taskgate.identity.forwarded import read_element
from taskgate.identity.settings import AuthSettings
from taskgate.secret import Url
from taskgate.server import Server
from taskgate.stores.settings import DatabaseSettings
from taskgate.testing.authority import Authority

pytestmark = pytest.mark.security
RULES = ("/site/{site}/worker/{worker} = worker worker read",)
REFUSED = (401, 429)  # an address that fails often is told so
GPU = "spiffe://mesh.example/site/acme/worker/gpu-1"
AUTHORITY = Authority(now=time.time())


class Place:
    """A gateway with TLS, and callers with certificates."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder

    def context(self, uri: str = "", *, authority: Authority = AUTHORITY) -> ssl.SSLContext:
        """What a caller's TLS trusts and shows."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        if uri:
            context.load_cert_chain(*authority.leaf([uri]).write(self.folder, f"client-{time.monotonic_ns()}"))
        return context

    async def ask(self, path: str = "/v1/runs", *, uri: str = "", **headers: str) -> int:
        """The status of a call with this certificate and these headers."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        address, tls = self.server.url + path, self.context(uri)
        async with aiohttp.ClientSession() as session, session.get(address, headers=named, ssl=tls) as answer:
            return answer.status

    async def key(self, *scopes: str, site: str = "acme") -> str:
        _, text = await self.server.gateway.keys.create(None, name="test", scopes=scopes, site_id=site)
        return text


@pytest.fixture(params=["nobody", "loopback"])
async def place(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """With nobody believed about certificates, and with this machine believed."""
    believed = ("127.0.0.0/8",) if request.param == "loopback" else ()
    AUTHORITY.root.write(tmp_path, "ca")
    cert, key = AUTHORITY.leaf(others=[x509.IPAddress(ip_address("127.0.0.1"))]).write(tmp_path, "server")
    settings = Settings(
        data_dir=str(tmp_path / "data"),
        http=HttpSettings(port=0, tls_cert_path=str(cert), tls_key_path=str(key), tls_ca_path=str(tmp_path / "ca.pem")),
        grpc=GrpcSettings(enabled=False),
        database=DatabaseSettings(url=Url("memory:")),
        auth=AuthSettings(trust_domain="mesh.example", certificate_rules=RULES, certificate_proxies=believed),
    )
    server = Server(settings)
    running = asyncio.create_task(server.run())
    async with asyncio.timeout(30):
        await server.ready.wait()
    yield Place(server, tmp_path)
    server.stop()
    await running


async def test_a_certificate_is_a_credential(place: Place) -> None:
    assert await place.ask(uri=GPU) == 200
    assert await place.ask() in REFUSED
    assert await place.ask(path="/v1/keys", uri=GPU) == 403
    for uri in ("spiffe://other.example/site/acme/worker/gpu-1", "https://mesh.example/", "spiffe://mesh.example/x"):
        assert await place.ask(uri=uri) in REFUSED


async def test_a_worker_comes_in_with_its_certificate(place: Place) -> None:
    """A WebSocket too: the certificate names the worker, and another id is refused."""
    base = place.server.url.replace("https", "wss")
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{base}/ws/workers/gpu-1", ssl=place.context(GPU)) as socket:
            await socket.send_json(
                {"type": "hello", "worker_id": "gpu-1", "tasks": [{"name": "demo"}], "versions": [1]}
            )
            assert "welcome" in (await socket.receive(timeout=10)).data
        async with session.ws_connect(f"{base}/ws/workers/gpu-2", ssl=place.context(GPU)) as socket:
            await socket.send_json(
                {"type": "hello", "worker_id": "gpu-2", "tasks": [{"name": "demo"}], "versions": [1]}
            )
            assert "WRONG_WORKER" in (await socket.receive(timeout=10)).data


async def test_a_credential_beside_it_counts_first_and_must_agree(place: Place) -> None:
    key, other = await place.key("read", "admin"), await place.key("read", site="globex")
    assert await place.ask(path="/v1/keys", uri=GPU, X_API_Key=key) == 200
    assert await place.ask(uri=GPU, X_API_Key=other) in REFUSED
    assert await place.ask(uri=GPU, X_API_Key=key[:-1] + "!") in REFUSED
    assert await place.ask(uri="spiffe://mesh.example/x", X_API_Key=key) in REFUSED


async def test_what_others_tell_of_certificates(place: Place) -> None:
    """Believed of configured proxies alone; a certificate of the connection's own comes before it."""
    is_believed = bool(place.server.gateway.settings.auth.certificate_proxies)
    pem = quote(AUTHORITY.leaf([GPU]).pem.decode(), safe="")
    for told in (f"URI={GPU}", f'Hash=ab;Cert="{pem}"', f'By=spiffe://mesh.example/proxy;Subject="CN=x";URI={GPU}'):
        assert await place.ask(X_Forwarded_Client_Cert=told) in ((200,) if is_believed else REFUSED)
    for told in (f"URI={GPU},URI={GPU}", f"URI={GPU};URI={GPU}", "URI=", f'URI={GPU};Cert="x"', 'Cert="%00"'):
        assert await place.ask(X_Forwarded_Client_Cert=told) in REFUSED
    evil = "spiffe://mesh.example/site/globex/worker/gpu-9"
    assert await place.ask(path="/gateway/workers", uri=GPU, X_Forwarded_Client_Cert=f"URI={evil}") == 200
    assert await place.ask(uri="spiffe://mesh.example/x", X_Forwarded_Client_Cert=f"URI={GPU}") in REFUSED


async def test_inv_a5_a_certificate_that_was_taken_back(place: Place) -> None:
    assert await place.ask(uri=GPU) == 200
    await place.server.gateway.entrance.tokens.take_back(GPU)
    assert await place.ask(uri=GPU) in REFUSED


def test_quotes_hide_no_second_element() -> None:
    pem, uri = read_element(b'Subject="O=a,b;c";URI=spiffe://a/b')
    assert (pem, uri) == (b"", "spiffe://a/b")
