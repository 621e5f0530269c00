"""Requests that are refused for their bodies: in order, once, and nothing of them goes on afterwards."""

from __future__ import annotations

import asyncio

import pytest

from taskgate.proxy.settings import ProxySettings
from taskgate.routes.policy import Policy
from taskgate.routes.service import Route
from tests.edge.proxy.stand import Loopback, Peer, everything, request, standing

SMALL = Policy(max_body_bytes=10)
CHUNKED = b"transfer-encoding: chunked\r\nconnection: close\r\n"
LONG = b"%x\r\n%b\r\n0\r\n\r\n" % (50, b"x" * 50)
BAD = b"5\r\nab"


class Slow(Loopback):
    """Judges an address when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked = asyncio.Event()
        self.may_go = asyncio.Event()

    async def pin(self, host: str, port: int, *, scheme: str, site_id: str) -> tuple[str, ...]:
        self.is_asked.set()
        await self.may_go.wait()
        return await super().pin(host, port, scheme=scheme, site_id=site_id)


@pytest.mark.parametrize(("rest", "status"), [(LONG, b"413"), (b"zz\r\n", b"400")])
async def test_what_was_refused_while_it_connected_is_sent_nowhere(rest: bytes, status: bytes) -> None:
    pinner = Slow()
    async with standing(pinner=pinner) as stand:
        upstream = await stand.upstream()
        stand.register(upstream.url, everything(SMALL))
        reader, writer = await stand.connect()
        writer.write(request(method="POST", lines=CHUNKED))
        await pinner.is_asked.wait()
        writer.write(rest)
        assert (await reader.read()).split(b" ")[1] == status
        counters = stand.plane.counters()[0]
        assert counters.active == 0
        pinner.may_go.set()
        assert (await stand.get()).status == 200
        assert [heard.head.split(b" ")[0] for heard in upstream.heard] == [b"GET"]
        assert not stand.plane.means.open_calls
        assert stand.plane.counters()[0].active == 0


async def test_a_body_that_is_too_large_waits_for_its_turn() -> None:
    """A request that comes with it in one segment, before it, is answered first and in full."""
    may_answer = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await may_answer.wait()
        await peer.answer(b"first")

    async with standing() as stand:
        upstream = await stand.upstream(script)
        small = Route(name="small", method="POST", path="/small", policy=SMALL)
        stand.register(upstream.url, small, Route(name="all", method="*", path="/{rest:path}"))
        reader, writer = await stand.connect()
        writer.write(request("/slow", lines=b"") + request("/small", method="POST", lines=CHUNKED) + LONG)
        await upstream.news.wait()
        may_answer.set()
        raw = await reader.read()
        assert raw.startswith(b"HTTP/1.1 200")
        assert b"first" in raw.partition(b"HTTP/1.1 413")[0]
        assert raw.count(b"HTTP/1.1 413") == 1
        assert len(upstream.heard) == 1


@pytest.mark.parametrize("key", ["nobody", "stranger"])
async def test_a_large_body_tells_strangers_of_no_route(key: str) -> None:
    async with standing(ProxySettings()) as stand:
        upstream = await stand.upstream()
        stand.register(upstream.url, everything(SMALL))
        raw = await stand.ask(request(method="POST", key=key, lines=CHUNKED) + LONG)
        assert raw.split(b" ")[1] == (b"401" if key == "nobody" else b"404")
