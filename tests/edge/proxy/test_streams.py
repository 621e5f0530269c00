"""Streams through the data plane: nothing is held back, nothing piles up, nothing goes on for nobody."""

from __future__ import annotations

import asyncio
import resource

import msgspec

from taskgate.proxy.settings import ProxySettings
from taskgate.routes.policy import Policy
from tests.edge.proxy.stand import Answer, Peer, cut, echo, everything, request, standing

MIB = 1 << 20


async def test_an_event_arrives_before_the_next_is_made() -> None:
    heard_by_caller = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(20):
            event = b"data: %d\n\n" % number
            await peer.say(b"%x\r\n%b\r\n" % (len(event), event))
            await asyncio.wait_for(heard_by_caller.wait(), 10)
            heard_by_caller.clear()
        await peer.say(b"0\r\n\r\n")

    async with standing() as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything())
        reader, writer = await stand.connect()
        writer.write(request())
        for number in range(20):
            await asyncio.wait_for(reader.readuntil(b"data: %d\n\n" % number), 10)
            heard_by_caller.set()
        assert await reader.read() == b"\r\n0\r\n\r\n"


async def test_a_slow_reader_slows_down_the_upstream() -> None:
    """A caller that reads nothing stops the upstream after a few buffers, and gets every byte once it reads."""
    size, sent = 64 * MIB, 0
    stuck = asyncio.Event()

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            peer.writer.write(bytes(MIB))
            sent += MIB
            try:
                await asyncio.wait_for(peer.writer.drain(), 0.3)
            except TimeoutError:
                stuck.set()
                await peer.writer.drain()

    async with standing() as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything())
        reader, writer = await asyncio.open_connection("127.0.0.1", stand.port, limit=MIB)
        writer.write(request())
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await asyncio.wait_for(stuck.wait(), 20)
        assert sent < 40 * MIB
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30 * 1024
        await reader.readuntil(b"\r\n\r\n")
        got = 0
        while piece := await asyncio.wait_for(reader.read(MIB), 20):
            got += len(piece)
        assert got == size
        writer.close()


async def test_a_slow_upstream_slows_down_the_caller() -> None:
    size, go_on = 48 * MIB, asyncio.Event()

    async def script(peer: Peer) -> None:
        heard = await peer.head()
        await go_on.wait()
        heard.body = await peer.body(heard)
        await peer.answer(b"%d" % len(heard.body))

    async with standing(ProxySettings(max_body_bytes=size)) as stand:
        upstream = await stand.upstream(script, limit=1 << 16)
        stand.register(upstream.url, everything())
        reader, writer = await stand.connect()
        writer.write(request(method="POST", lines=b"connection: close\r\ncontent-length: %d\r\n" % size))
        sent = 0
        while sent < size:
            writer.write(bytes(MIB))
            sent += MIB
            if not go_on.is_set():
                try:
                    await asyncio.wait_for(writer.drain(), 0.3)
                except TimeoutError:
                    assert sent < 40 * MIB
                    go_on.set()
            await writer.drain()
        assert go_on.is_set()
        assert (await asyncio.wait_for(reader.read(), 20)).endswith(b"%d" % size)


async def test_a_caller_that_leaves_ends_the_upstream_at_once() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            await peer.say(bytes(65536))

    async with standing() as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything())
        reader, writer = await stand.connect()
        writer.write(request())
        await reader.readexactly(1000)
        cut(writer)
        assert await asyncio.wait_for(upstream.ended.get(), 2) == 1


async def test_an_early_answer_reaches_a_caller_who_still_sends() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.answer(b"enough", status="413 Too Large", lines=b"Connection: close\r\n")
        await peer.until_gone()

    async with standing() as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything())
        reader, writer = await stand.connect()
        writer.write(request(method="POST", lines=b"content-length: 3000000\r\n") + bytes(500_000))
        raw = await asyncio.wait_for(reader.readuntil(b"enough"), 10)
        assert raw.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close\r\n" in raw


async def test_bodies_end_at_their_limit() -> None:
    policy = Policy(max_body_bytes=100_000)
    async with standing() as stand:
        upstream = await stand.upstream(echo)
        stand.register(upstream.url, everything(policy))
        declared = await stand.get(method="POST", body=bytes(100_001))
        assert (declared.status, upstream.heard) == (413, [])
        assert msgspec.json.decode(declared.body)["limit_bytes"] == 100_000
        piece = b"4000\r\n" + bytes(0x4000) + b"\r\n"
        chunked = request(method="POST", lines=b"transfer-encoding: chunked\r\n") + piece * 7
        assert Answer(await stand.ask(chunked)).status == 413
        assert (await stand.get(method="POST", body=bytes(100_000))).status == 200


async def test_broken_chunks_are_told_and_the_upstream_is_cut() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.until_gone()

    async with standing() as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything())
        reader, writer = await stand.connect()
        writer.write(request(method="POST", lines=b"transfer-encoding: chunked\r\n") + b"3\r\nabc\r\n")
        await asyncio.wait_for(upstream.news.wait(), 5)
        writer.write(b"zz\r\n")
        raw = await asyncio.wait_for(reader.read(), 10)
        assert Answer(raw).status == 400
        assert await asyncio.wait_for(upstream.ended.get(), 5) == 1
