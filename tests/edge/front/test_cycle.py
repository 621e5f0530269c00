"""Requests of the application on a real socket: bodies, framing, order, the end of callers and of answers."""

from __future__ import annotations

import asyncio

import pytest

from taskgate.proxy.ports import Front, Head
from taskgate.proxy.settings import ProxySettings
from tests.edge.front.door import Door, open_door
from tests.edge.front.loops import on_both_loops


def get(path: str, *lines: str, version: str = "1.1", method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: x", *lines, "", ""]).encode()


def post(path: str, body: bytes, *lines: str) -> bytes:
    return get(path, f"Content-Length: {len(body)}", *lines, method="POST") + body


@on_both_loops
async def test_a_request_and_its_scope(door: Door) -> None:
    async with door.caller() as caller:
        caller.say(get("/echo/caf%C3%A9?a=%2F", "X-A:  1 "))
        assert await caller.answer() == (200, b"GET ")
        caller.say(post("/echo", b"hello"))
        assert await caller.answer() == (200, b"POST hello")
    scope = door.application.scopes[0]
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/echo/café", b"/echo/caf%C3%A9", b"a=%2F")
    assert scope["headers"] == [(b"host", b"x"), (b"x-a", b"1")]
    assert (scope["http_version"], scope["scheme"], scope["client"][0]) == ("1.1", "http", "127.0.0.1")


@on_both_loops
async def test_pipelined_requests_are_answered_in_order(door: Door) -> None:
    async with door.caller() as caller:
        caller.say(b"".join(post("/echo", b"%d" % number) for number in range(50)))
        assert [(await caller.answer())[1] for _ in range(50)] == [b"POST %d" % number for number in range(50)]


@on_both_loops
async def test_a_large_body_in_many_pieces(door: Door) -> None:
    async with door.caller() as caller:
        body = bytes(range(256)) * 4000
        caller.say(post("/echo", body) + get("/echo"))
        assert await caller.answer() == (200, b"POST " + body)
        assert await caller.answer() == (200, b"GET ")


@on_both_loops
async def test_100_continue(door: Door) -> None:
    async with door.caller() as caller:
        caller.say(get("/echo", "Content-Length: 5", "Expect: 100-continue", method="POST"))
        assert await caller.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        caller.say(b"hello")
        assert await caller.answer() == (200, b"POST hello")
        caller.say(post("/echo", b"early", "Expect: 100-continue"))
        assert await caller.answer() == (200, b"POST early")
        caller.say(get("/early", "Content-Length: 5", "Expect: 100-continue", method="POST"))
        assert await caller.answer() == (413, b"too much")
        assert await caller.rest() == b""


@pytest.mark.parametrize(("path", "method"), [("/empty?204", "GET"), ("/empty?304", "GET"), ("/echo", "HEAD")])
@on_both_loops
async def test_answers_without_a_body(door: Door, path: str, method: str) -> None:
    async with door.caller() as caller:
        caller.say(get(path, method=method) + get("/echo"))
        head = await caller.head()
        assert b"transfer-encoding" not in head
        assert await caller.answer() == (200, b"GET ")


@on_both_loops
async def test_http_1_0(door: Door) -> None:
    async with door.caller() as caller:
        caller.say(get("/echo", version="1.0"))
        told = await caller.rest()
        assert told.endswith(b"connection: close\r\n\r\nGET ")
    async with door.caller() as caller:
        caller.say(get("/echo", "Connection: keep-alive", version="1.0"))
        assert await caller.answer() == (200, b"GET ")
        door.application.go_on.set()
        caller.say(get("/stream", version="1.0"))
        head, _, body = (await caller.rest()).partition(b"\r\n\r\n")
        assert (b"chunked" in head, body) == (False, b"onetwo")


@on_both_loops
async def test_the_head_of_a_stream_comes_at_once(door: Door) -> None:
    async with door.caller() as caller:
        caller.say(get("/stream"))
        assert b"transfer-encoding: chunked" in await caller.head()
        door.application.go_on.set()
        assert await caller.body(21) == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"


@on_both_loops
async def test_a_slow_reader_stops_the_application(door: Door) -> None:
    async with door.caller() as caller:
        caller.writer.transport.pause_reading()  # type: ignore[attr-defined]
        caller.say(get("/flood"))
        before = -1
        while door.application.written == 0 or door.application.written != before:
            before = door.application.written
            await asyncio.sleep(0.1)
        assert before < 40 << 20
        caller.writer.transport.resume_reading()  # type: ignore[attr-defined]
        size = len(await caller.head())
        while size < 131_072_000:
            size += len(await caller.body(1 << 20))
    assert door.application.written == 2000 * 65536


@on_both_loops
async def test_a_body_that_nobody_reads_is_not_taken_in(door: Door) -> None:
    async with door.caller() as caller:
        caller.say(post("/stream", b"z" * (40 << 20)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await caller.writer.drain()


@on_both_loops
async def test_a_caller_who_leaves_is_noticed(door: Door) -> None:
    async with door.caller() as caller:
        caller.say(get("/wait"))
        async with asyncio.timeout(5):
            await door.application.asked.wait()
    async with asyncio.timeout(5):
        await door.application.gone.wait()


@on_both_loops
async def test_an_early_answer_reaches_a_caller_who_still_sends(door: Door) -> None:
    async with door.caller() as caller:
        caller.say(get("/early", "Content-Length: 3000000", method="POST") + b"z" * 900_000)
        assert await caller.answer() == (413, b"too much")
        assert await caller.rest() == b""


@on_both_loops
async def test_trace_is_forwarded_for_nobody() -> None:
    """The application refuses it; forwarded, it would show a caller what was added on the way."""
    asked: list[str] = []

    def claims(front: Front, head: Head) -> None:
        asked.append(head.method)

    async with open_door(claims=claims) as door, door.caller() as caller:
        caller.say(get("/echo", method="TRACE") + get("/echo"))
        assert [await caller.answer() for _ in range(2)] == [(200, b"TRACE "), (200, b"GET ")]
    assert asked == ["GET"]


@on_both_loops
async def test_failures(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    for path, status in (("/fail", 500), ("/silent", 500), ("/inject", 500)):
        async with door.caller() as caller:
            caller.say(get(path))
            told = await caller.answer()
            assert told[0] == status
            assert b'"code":"INTERNAL"' in told[1]
            assert await caller.rest() == b""
    async with door.caller() as caller:
        caller.say(get("/late"))
        assert (await caller.head()).startswith(b"HTTP/1.1 200")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await caller.body(9)
    assert "set-cookie" not in caplog.text.lower().split("traceback")[0]


@on_both_loops
async def test_a_trickled_head_gets_408() -> None:
    async with open_door(ProxySettings(header_s=0.3)) as door, door.caller() as caller:
        caller.say(get("/echo")[:-2])
        assert (await caller.answer())[0] == 408
        assert await caller.rest() == b""


@on_both_loops
async def test_a_body_that_stands_still_gets_408() -> None:
    async with open_door(ProxySettings(body_idle_s=0.3)) as door, door.caller() as caller:
        caller.say(post("/echo", b"hello")[:-1])
        assert (await caller.answer())[0] == 408
        assert await caller.rest() == b""
        async with asyncio.timeout(5):
            await door.application.gone.wait()


@on_both_loops
async def test_refusals_are_problem_documents(door: Door) -> None:
    async with door.caller() as caller:
        caller.say(get("/echo") + get("/../etc") + get("/echo"))
        assert await caller.answer() == (200, b"GET ")
        head = await caller.head()
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b"content-type: application/problem+json" in head
        assert b"gateway-error-source: gateway" in head
        assert b'"code":"AMBIGUOUS_REQUEST"' in await caller.rest()


@on_both_loops
async def test_the_end_of_the_gateway_waits_for_answers(door: Door) -> None:
    async with door.caller() as busy, door.caller() as idle:
        idle.say(get("/echo"))
        await idle.answer()
        busy.say(get("/stream"))
        await busy.head()
        for connection in tuple(door.state.connections):
            connection.shutdown()
        assert await idle.rest() == b""
        door.application.go_on.set()
        assert await busy.rest() == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"


@on_both_loops
async def test_an_answer_before_an_expected_body_is_the_last(door: Door) -> None:
    """Nobody can know whether the caller still sends it: what comes next may be a body or a request."""
    async with door.caller() as caller:
        caller.say(get("/late", "Content-Length: 5", "Expect: 100-continue", method="POST"))
        assert b"connection: close" in await caller.head()
