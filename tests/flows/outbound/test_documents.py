"""Documents from real servers: over the judged address alone, verified, bounded, in time."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from taskgate.errors import Forbidden, InvalidInput, TooLarge, Unavailable
from taskgate.outbound.documents import WebDocuments
from taskgate.reach.judging import rules_from
from taskgate.reach.pinning import Reach
from taskgate.testing.clock import ManualClock

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Upstream:
    """A service that answers as told, and writes down what it was asked."""

    def __init__(self, answer: Answer, port: int) -> None:
        self.answer = answer
        self.port = port
        self.hosts: list[str] = []
        self.targets: list[str] = []


@asynccontextmanager
async def serving(answer: Answer, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        upstream.hosts.append(request.headers["Host"])
        upstream.targets.append(request.raw_path)
        return await upstream.answer(request)

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    upstream = Upstream(answer, runner.addresses[0][1])
    yield upstream
    await runner.cleanup()


@asynccontextmanager
async def source(
    *names: str, max_bytes: int = 1000, deadline_s: float = 5.0, tls: ssl.SSLContext | None = None,
    addresses: tuple[str, ...] = ("127.0.0.1",),
) -> AsyncIterator[WebDocuments]:  # fmt: skip
    """Documents for services on this machine, behind these names."""

    async def resolve(name: str) -> tuple[str, ...]:
        assert name in names
        return addresses

    reach = Reach(rules_from(["auto"], is_local=True), clock=ManualClock(), resolve=resolve)
    yield WebDocuments(reach, max_bytes=max_bytes, deadline_s=deadline_s, tls=tls)
    await reach.stop()


def saying(body: bytes, *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(body=body, status=status, headers=headers)

    return answer


async def test_the_document_comes_from_the_judged_address_under_its_own_name() -> None:
    async with serving(saying(b"openapi: 3.1.0\n")) as upstream, source("svc.internal") as documents:
        url = f"http://svc.internal:{upstream.port}/api%2Fdocs/openapi.yaml?x=%41&y"
        assert await documents.fetch(url, site_id="acme") == b"openapi: 3.1.0\n"
        assert upstream.hosts == [f"svc.internal:{upstream.port}"]
        assert upstream.targets == ["/api%2Fdocs/openapi.yaml?x=%41&y"]


async def test_the_next_address_is_tried_when_one_does_not_listen() -> None:
    async with serving(saying(b"{}")) as upstream, source("a", addresses=("127.0.0.9", "127.0.0.1")) as documents:
        assert await documents.fetch(f"http://a:{upstream.port}/", site_id="acme") == b"{}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
async def test_a_redirect_is_a_failure(status: int) -> None:
    answer = saying(b"{}", status=status, headers={"Location": "/elsewhere"})
    async with serving(answer) as upstream, source() as documents:
        with pytest.raises(Unavailable) as caught:
            await documents.fetch(f"http://127.0.0.1:{upstream.port}/openapi.json", site_id="acme")
        assert caught.value.code == "DOCUMENT_NOT_FETCHED"
        assert upstream.targets == ["/openapi.json"]


@pytest.mark.parametrize("status", [204, 206, 401, 404, 500])
async def test_only_200_is_a_document(status: int) -> None:
    async with serving(saying(b"{}" if status != 204 else b"", status=status)) as upstream, source() as documents:
        with pytest.raises(Unavailable, match=str(status)):
            await documents.fetch(f"http://127.0.0.1:{upstream.port}/", site_id="acme")


async def test_too_much_is_refused_said_or_unsaid() -> None:
    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b"x" * 65536)

    async with source() as documents:
        for answer in (saying(b"x" * 1001), endless):
            async with serving(answer) as upstream:
                with pytest.raises(TooLarge) as caught:
                    await documents.fetch(f"http://127.0.0.1:{upstream.port}/", site_id="acme")
                assert caught.value.extra == {"limit_bytes": 1000}
        async with serving(saying(b"x" * 1000)) as upstream:
            assert len(await documents.fetch(f"http://127.0.0.1:{upstream.port}/", site_id="acme")) == 1000


async def test_what_comes_packed_is_not_unpacked() -> None:
    """A few kilobytes can unpack to gigabytes."""
    async with serving(saying(b"\x1f\x8b", headers={"Content-Encoding": "gzip"})) as upstream, source() as documents:
        with pytest.raises(Unavailable, match="packed"):
            await documents.fetch(f"http://127.0.0.1:{upstream.port}/", site_id="acme")


async def test_the_deadline_is_over_everything() -> None:
    """A byte now and then does not help."""

    async def trickle(request: web.BaseRequest) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b" ")
            await asyncio.sleep(0.02)

    async with serving(trickle) as upstream, source(deadline_s=0.2) as documents:
        with pytest.raises(Unavailable, match="within"):
            await documents.fetch(f"http://127.0.0.1:{upstream.port}/", site_id="acme")


async def test_a_name_that_must_not_be_reached() -> None:
    async with source("svc", addresses=("10.0.0.1",)) as documents:
        with pytest.raises(Forbidden) as caught:
            await documents.fetch("http://svc/openapi.json", site_id="acme")
        assert caught.value.code == "ADDRESS_FORBIDDEN"
        with pytest.raises(InvalidInput):
            await documents.fetch("file:///etc/passwd", site_id="acme")


async def test_nobody_listens_or_talks_something_else() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"+OK POP3\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with source() as documents:
        with pytest.raises(Unavailable):
            await documents.fetch(f"http://127.0.0.1:{port}/", site_id="acme")
        server.close()
        await server.wait_closed()
        with pytest.raises(Unavailable):
            await documents.fetch(f"http://127.0.0.1:{port}/", site_id="acme")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for svc.example that nobody but its test trusts, with its key beside it."""
    file = tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(tmp_path / "key.pem"),
         "-out", str(file), "-subj", "/CN=x", "-addext", "subjectAltName=DNS:svc.example"],
        check=True, capture_output=True,
    )  # fmt: skip
    return file


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate of this test")
async def test_tls_is_verified_for_the_name_that_was_asked_for(certificate: Path) -> None:
    names: list[str | None] = []
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    context.sni_callback = lambda _, name, __: names.append(name)
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with serving(saying(b"{}"), tls=context) as upstream:
        async with source("svc.example", "other.example", tls=trusting) as documents:
            assert await documents.fetch(f"https://svc.example:{upstream.port}/", site_id="acme") == b"{}"
            assert names == ["svc.example"]
            with pytest.raises(Unavailable, match="Certificate"):
                await documents.fetch(f"https://other.example:{upstream.port}/", site_id="acme")
        async with source("svc.example") as documents:
            with pytest.raises(Unavailable, match="Certificate"):
                await documents.fetch(f"https://svc.example:{upstream.port}/", site_id="acme")
    assert upstream.hosts == [f"svc.example:{upstream.port}"]
