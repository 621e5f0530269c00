"""Connections to upstreams: kept, capped, waited for, judged, verified; and swaps under live calls."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path

import msgspec
import pytest

from taskgate.errors import Forbidden, Unavailable
from taskgate.proxy.pool import Pool
from taskgate.proxy.settings import ProxySettings
from taskgate.routes.policy import Policy, RetryRule
from taskgate.routes.service import Snapshot
from tests.edge.proxy.stand import Answer, Peer, cut, echo, everything, request, standing


def code_of(answer: Answer) -> str:
    code: str = msgspec.json.decode(answer.body)["code"]
    return code


class Gated:
    """Answers only when told to; tells how many requests it holds at once."""

    def __init__(self) -> None:
        self.go_on = asyncio.Semaphore(0)
        self.held = 0
        self.most = 0

    async def __call__(self, peer: Peer) -> None:
        while True:
            await peer.request()
            self.held += 1
            self.most = max(self.most, self.held)
            await self.go_on.acquire()
            self.held -= 1
            await peer.answer()


async def test_calls_beyond_the_cap_wait_for_their_turn() -> None:
    script = Gated()
    async with standing(ProxySettings(pool_size=2)) as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything())
        calls = [asyncio.create_task(stand.get(f"/{number}")) for number in range(6)]
        while len(upstream.heard) < 2:
            upstream.news.clear()
            await asyncio.wait_for(upstream.news.wait(), 5)
        for _ in range(6):
            script.go_on.release()
        answers = await asyncio.wait_for(asyncio.gather(*calls), 10)
        assert [answer.status for answer in answers] == [200] * 6
        assert (script.most, upstream.connections) == (2, 2)


async def test_waiting_for_a_connection_has_an_end() -> None:
    script = Gated()
    async with standing(ProxySettings(pool_size=1, pool_waiting=1, pool_wait_s=0.2)) as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything())
        first = asyncio.create_task(stand.get("/first"))
        await asyncio.wait_for(upstream.news.wait(), 5)
        codes = sorted(code_of(answer) for answer in await asyncio.gather(stand.get("/a"), stand.get("/b")))
        assert codes == ["POOL_FULL", "POOL_WAIT"]
        script.go_on.release()
        assert (await first).status == 200
        script.go_on.release()
        assert (await stand.get("/again")).status == 200


async def test_who_leaves_the_queue_holds_nobody_up() -> None:
    script = Gated()
    async with standing(ProxySettings(pool_size=1)) as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything())
        first = asyncio.create_task(stand.get("/first"))
        await asyncio.wait_for(upstream.news.wait(), 5)
        _, writer = await stand.connect()
        writer.write(request("/left"))
        await stand.get(key="bad")  # by now the one before stands in the queue
        third = asyncio.create_task(stand.get("/third"))
        cut(writer)
        await stand.get(key="bad")
        for _ in range(3):
            script.go_on.release()
        assert (await asyncio.wait_for(first, 5)).status == 200
        assert (await asyncio.wait_for(third, 5)).status == 200
        assert [heard.head.split()[1] for heard in upstream.heard] == [b"/first", b"/third"]


async def test_a_lost_connection_makes_room() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()

    async with standing(ProxySettings(pool_size=1)) as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything(Policy(retry=RetryRule(count=0))))
        answers = await asyncio.wait_for(asyncio.gather(*(stand.get() for _ in range(4))), 10)
        assert [answer.status for answer in answers] == [502] * 4


async def test_unused_connections_are_closed() -> None:
    async with standing(ProxySettings(pool_idle_s=0.05)) as stand:
        upstream = await stand.upstream(echo)
        stand.register(upstream.url, everything())
        assert (await stand.get()).status == 200
        assert await asyncio.wait_for(upstream.ended.get(), 5) == 1
        assert (await stand.get()).status == 200
        assert upstream.connections == 2


class Refusing:
    """Refuses every address, or finds none."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def pin(self, host: str, port: int, *, scheme: str, site_id: str) -> tuple[str, ...]:
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        Forbidden("10.0.0.1 must not be reached", code="ADDRESS_FORBIDDEN"),
        Unavailable("secret.internal has no address", code="NAME_NOT_RESOLVED"),
    ],
)
async def test_only_judged_addresses_are_connected_to(error: Forbidden | Unavailable) -> None:
    async with standing(pinner=Refusing(error)) as stand:
        upstream = await stand.upstream(echo)
        stand.register(upstream.url, everything())
        answer = await stand.get()
        assert (answer.status, code_of(answer), upstream.connections) == (502, error.code, 0)
        assert error.detail.split()[0].encode() not in answer.body


async def test_sites_share_no_connections() -> None:
    async with standing() as stand:
        upstream = await stand.upstream(echo)
        stand.register(upstream.url, everything(), shared=True)
        assert (await stand.get()).status == 200
        stand.register(upstream.url, everything(), shared=True, site_id="other")
        assert (await stand.get()).status == 200
        assert [site for *_, site in stand.pinner.asked] == ["default", "other"]


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for a name."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


async def test_upstreams_over_tls_are_verified(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "svc.example")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(cert, key)
    names: list[str | None] = []
    serving.sni_callback = lambda _socket, name, _context: names.append(name)
    trusting = ssl.create_default_context(cafile=str(cert))
    async with standing(tls=trusting) as stand:
        upstream = await stand.upstream(echo, ssl=serving)
        stand.register(f"https://svc.example:{upstream.port}", everything())
        body = bytes(2_000_000)
        assert (await stand.get(method="POST", body=body)).body == body
        assert names == ["svc.example"]
        assert upstream.heard[0].lines("host") == [f"svc.example:{upstream.port}"]
        stand.register(f"https://other.example:{upstream.port}", everything(Policy(retry=RetryRule(count=0))))
        answer = await stand.get()
        assert (answer.status, code_of(answer)) == (502, "UPSTREAM_TLS")
    async with standing() as stand:
        upstream = await stand.upstream(echo, ssl=serving)
        stand.register(f"https://svc.example:{upstream.port}", everything(Policy(retry=RetryRule(count=0))))
        assert code_of(await stand.get()) == "UPSTREAM_TLS"


async def test_a_swap_disturbs_nothing_under_way() -> None:
    """A stream goes on over changes and the end of its service, while new calls go where they lead now."""
    go_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await go_on.wait()
        await peer.say(b"3\r\ndef\r\n0\r\n\r\n")
        await peer.until_gone()

    async with standing() as stand:
        first, second = await stand.upstream(script), await stand.upstream(echo)
        stand.register(first.url, everything())
        reader, writer = await stand.connect()
        writer.write(request())
        await reader.readuntil(b"abc")
        for number in range(50):
            stand.register(second.url, everything(Policy(max_body_bytes=1000 + number)))
            assert (await stand.get()).body == b"ok"
        stand.plane.apply(Snapshot())
        go_on.set()
        assert await asyncio.wait_for(reader.read(), 5) == b"\r\n3\r\ndef\r\n0\r\n\r\n"
        assert await asyncio.wait_for(first.ended.get(), 5) == 1, "a connection that no route needs is not kept"
        assert second.connections == 1


@pytest.mark.parametrize(("method", "connections"), [("GET", 1), ("POST", 2)])
async def test_what_must_not_be_sent_twice_goes_over_fresh_connections(method: str, connections: int) -> None:
    """A connection that was not used for a second may just be closing at the other end."""
    async with standing() as stand:
        upstream = await stand.upstream(echo)
        stand.register(upstream.url, everything())
        assert (await stand.get()).status == 200
        [pool] = stand.plane.upstreams.standing(Pool)
        for unused in pool._idle:
            unused.idle_since -= 2
        assert (await stand.get(method=method)).status == 200
        assert upstream.connections == connections
