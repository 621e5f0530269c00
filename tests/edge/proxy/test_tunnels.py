"""WebSocket connections through the data plane: a raw pipe once both sides have agreed."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from taskgate.proxy.pool import Pool
from taskgate.proxy.settings import ProxySettings
from taskgate.routes.policy import Policy, Timeouts
from tests.edge.proxy.stand import Answer, Peer, cut, echo, everything, request, standing

ASKED = b"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: abc\r\n"
AGREED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"
)


async def mirror(peer: Peer) -> None:
    """Agrees, says hello in the same segment, then sends back what comes; says `bye` behind the caller's end."""
    await peer.head()
    await peer.say(AGREED + b"hello")
    while piece := await peer.reader.read(65536):
        await peer.say(piece)
    await peer.say(b"bye")


async def test_bytes_go_both_ways_until_each_side_has_ended() -> None:
    async with standing() as stand:
        upstream = await stand.upstream(mirror)
        stand.register(upstream.url, everything())
        reader, writer = await stand.connect()
        writer.write(request(lines=ASKED) + b"early")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"connection: upgrade\r\nupgrade: websocket\r\n" in head
        assert b"Sec-WebSocket-Accept: x\r\n" in head
        assert await reader.readexactly(10) == b"helloearly"
        heard = upstream.heard[0]
        assert (heard.lines("upgrade"), heard.lines("connection")) == (["websocket"], ["upgrade"])
        assert heard.lines("sec-websocket-key") == ["abc"]
        big = bytes(3_000_000)
        writer.write(big)
        assert await asyncio.wait_for(reader.readexactly(len(big)), 20) == big
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 10) == b"bye"


async def test_tunnels_keep_no_call_waiting() -> None:
    """They have left the pool's count, while they last and behind their end."""

    async def either(peer: Peer) -> None:
        head = await peer.head()
        if head.lines("upgrade"):
            await peer.say(AGREED)
            await peer.reader.read()
        else:
            await peer.answer()

    async with standing(ProxySettings(pool_size=1, pool_wait_s=1.0)) as stand:
        upstream = await stand.upstream(either)
        stand.register(upstream.url, everything())
        tunnels = [await stand.connect() for _ in range(3)]
        for reader, writer in tunnels:
            writer.write(request(lines=ASKED))
            assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).startswith(b"HTTP/1.1 101 ")
        assert (await stand.get("/a")).status == 200
        for _, writer in tunnels:
            writer.close()
        assert (await stand.get("/a")).status == 200
        (pool,) = stand.plane.upstreams.standing(Pool)
        assert pool.opened in (0, 1)


async def test_the_upstream_may_end_first() -> None:
    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.say(AGREED + b"done")
        peer.writer.write_eof()
        got.put_nowait(await peer.reader.read())

    async with standing() as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything())
        reader, writer = await stand.connect()
        writer.write(request(lines=ASKED))
        assert (await asyncio.wait_for(reader.read(), 10)).endswith(b"done")
        writer.write(b"still here")
        writer.write_eof()
        assert await asyncio.wait_for(got.get(), 10) == b"still here"


async def test_a_caller_that_is_lost_cuts_the_upstream() -> None:
    async with standing() as stand:
        upstream = await stand.upstream(mirror)
        stand.register(upstream.url, everything())
        reader, writer = await stand.connect()
        writer.write(request(lines=ASKED))
        await reader.readuntil(b"hello")
        cut(writer)
        assert await asyncio.wait_for(upstream.ended.get(), 5) == 1
        assert stand.plane.counters()[0].active == 0


async def test_an_upstream_that_is_lost_ends_the_caller() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.say(AGREED)
        await peer.reader.readexactly(1)
        peer.writer.transport.abort()

    async with standing() as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything())
        reader, writer = await stand.connect()
        writer.write(request(lines=ASKED))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"x")
        assert await asyncio.wait_for(reader.read(), 10) == b""


async def test_silence_ends_both_sides() -> None:
    async with standing() as stand:
        upstream = await stand.upstream(mirror)
        stand.register(upstream.url, everything(Policy(timeouts=Timeouts(idle_s=0.1))))
        reader, writer = await stand.connect()
        writer.write(request(lines=ASKED))
        await reader.readuntil(b"hello")
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 5)
        assert await asyncio.wait_for(upstream.ended.get(), 5) == 1


async def test_who_does_not_read_stops_the_other_side() -> None:
    sent = 0
    stuck = asyncio.Event()

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.head()
        await peer.say(AGREED)
        while not stuck.is_set():
            peer.writer.write(bytes(1 << 20))
            sent += 1
            try:
                await asyncio.wait_for(peer.writer.drain(), 0.3)
            except TimeoutError:
                stuck.set()

    async with standing() as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything())
        _, writer = await asyncio.open_connection("127.0.0.1", stand.port, limit=1 << 16)
        writer.write(request(lines=ASKED))
        await asyncio.wait_for(stuck.wait(), 20)
        assert sent < 40
        writer.close()


async def test_an_upgrade_may_be_declined() -> None:
    async with standing() as stand:
        upstream = await stand.upstream(echo)
        stand.register(upstream.url, everything())
        answer = Answer(await stand.ask(request(lines=ASKED)))
        assert (answer.status, answer.body) == (200, b"ok")


async def test_a_real_websocket() -> None:
    async def serve(asked: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(asked)
        async for message in socket:
            await socket.send_str(message.data.upper())
        return socket

    application = web.Application()
    application.router.add_get("/socket", serve)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with standing() as stand, aiohttp.ClientSession() as session:
            stand.register(f"http://127.0.0.1:{port}", everything())
            url = f"http://127.0.0.1:{stand.port}/socket"
            async with session.ws_connect(url, headers={"X-API-Key": "good"}) as socket:
                for word in ("one", "two", "x" * 100_000):
                    await socket.send_str(word)
                    assert await socket.receive_str() == word.upper()
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(url, headers={"X-API-Key": "bad"})
            assert refused.value.status == 401
    finally:
        await runner.cleanup()
