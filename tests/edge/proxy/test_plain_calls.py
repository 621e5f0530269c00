"""Plain calls through the data plane: methods, bodies, heads both ways."""

from __future__ import annotations

from taskgate.routes.service import Route
from tests.edge.proxy.stand import Answer, Peer, everything, request, standing


async def test_a_get_is_forwarded_with_heads_of_our_own() -> None:
    async with standing() as stand:
        upstream = await stand.upstream()
        stand.register(upstream.url, everything())
        answer = await stand.get("/a/b%20c?q=1&r=%2F")
        heard = upstream.heard[0]
        assert (answer.status, answer.body) == (200, b"ok")
        assert heard.head.startswith(b"GET /a/b%20c?q=1&r=%2F HTTP/1.1\r\nhost: 127.0.0.1:")
        assert heard.lines("via") == ["1.1 taskgate"]
        assert heard.lines("x-forwarded-for") == ["127.0.0.1"]
        assert heard.lines("forwarded") == ['for=127.0.0.1;proto=http;by=_taskgate;host="gate.example"']
        assert heard.lines("x-forwarded-host") == ["gate.example"]
        assert heard.lines("x-site-id") == ["default"]
        assert heard.lines("x-api-key") == []
        assert heard.lines("connection") == []
        assert answer.header("via") == "1.1 taskgate"
        assert answer.header("x-request-id") == heard.lines("x-request-id")[0]
        assert heard.lines("traceparent")[0][3:35] in (answer.header("x-request-id") or "")[:32]
        assert "gw;dur=" in (answer.header("server-timing") or "")
        assert answer.header("gateway-attempts") == "1"


async def test_bodies_go_both_ways() -> None:
    async with standing() as stand:
        upstream = await stand.upstream()
        stand.register(upstream.url, everything())
        for size in (1, 1000, 70_000, 3_000_000):
            body = bytes(range(256)) * (size // 256 + 1)
            assert (await stand.get(method="POST", body=body)).body == body
        assert all(len(heard.lines("content-length")) == 1 for heard in upstream.heard)


async def test_a_chunked_upload_stays_chunked() -> None:
    async with standing() as stand:
        upstream = await stand.upstream()
        stand.register(upstream.url, everything())
        lines = b"connection: close\r\ntransfer-encoding: chunked\r\n"
        raw = request(method="POST", lines=lines) + b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nx-trailer: 1\r\n\r\n"
        assert Answer(await stand.ask(raw)).body == b"abcdefg"
        assert upstream.heard[0].lines("transfer-encoding") == ["chunked"]
        assert upstream.heard[0].lines("content-length") == []


async def test_connections_are_used_again() -> None:
    async with standing() as stand:
        upstream = await stand.upstream()
        stand.register(upstream.url, everything())
        for _ in range(5):
            assert (await stand.get()).status == 200
        assert upstream.connections == 1
        assert stand.pinner.asked == [("127.0.0.1", upstream.port, "http", "default")]


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with standing() as stand:
        upstream = await stand.upstream()
        stand.register(upstream.url, everything())
        bodies = [b"one", b"two", b"three"]
        raw = b"".join(request(method="POST", body=body, lines=b"") for body in bodies) + request()
        answered = await stand.ask(raw)
        assert [piece.rpartition(b"\r\n")[2] for piece in answered.split(b"HTTP/1.1 ")[1:]] == [*bodies, b"ok"]


async def test_answers_without_a_body_leave_the_connection_sound() -> None:
    async def script(peer: Peer) -> None:
        while True:
            heard = await peer.request()
            if heard.head.startswith(b"HEAD"):
                await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
            elif b"/204" in heard.head:
                await peer.say(b"HTTP/1.1 204 No Content\r\n\r\n")
            else:
                await peer.say(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: x\r\n\r\n")

    async with standing() as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything())
        assert (await stand.get(method="HEAD")).header("content-length") == "9"
        empty = await stand.get("/204")
        assert (empty.status, empty.header("content-length"), empty.body) == (204, None, b"")
        same = await stand.get("/304")
        assert (same.status, same.header("content-length"), same.header("etag")) == (304, "9", "x")
        assert upstream.connections == 1


async def test_head_is_answered_by_get() -> None:
    async with standing() as stand:
        upstream = await stand.upstream()
        stand.register(upstream.url, Route(name="r", method="GET", path="/only", upstream_path="/inner"))
        assert (await stand.get("/only", method="HEAD")).raw.endswith(b"\r\n\r\n") is True
        assert upstream.heard[0].head.startswith(b"HEAD /inner ")


async def test_interim_answers() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 100 Continue\r\n\r\n")
        await peer.say(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\nX: 1\r\n\r\n")
        await peer.answer()

    async with standing() as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything())
        raw = await stand.ask(request())
        assert raw.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n")


async def test_expectations_are_met_after_admission() -> None:
    async with standing() as stand:
        upstream = await stand.upstream()
        stand.register(upstream.url, everything())
        reader, writer = await stand.connect()
        lines = b"expect: 100-continue\r\ncontent-length: 3\r\nconnection: close\r\n"
        writer.write(request(method="POST", lines=lines))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert (await reader.read()).endswith(b"abc")
        writer.close()
        refused = await stand.ask(request(method="POST", key="bad", lines=lines))
        assert Answer(refused).status == 401


async def test_hop_by_hop_headers_of_answers_stay_here() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        lines = (
            b"Connection: X-Inner, keep-alive\r\nX-Inner: secret\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: x\r\n"
            b"Trailer: y\r\nUpgrade: h2c\r\nX-Request-Id: theirs\r\nGateway-Error-Source: gateway\r\nX-Outer: 1\r\n"
        )
        await peer.answer(lines=lines, status="404 Not Here")

    async with standing() as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything())
        answer = await stand.get()
        for name in ("x-inner", "keep-alive", "proxy-authenticate", "trailer", "upgrade"):
            assert answer.header(name) is None, name
        assert answer.header("x-outer") == "1"
        assert answer.header("x-request-id") != "theirs"
        assert answer.header("gateway-error-source") == "upstream"


async def test_old_callers_get_no_chunks() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

    async with standing() as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything())
        raw = await stand.ask(b"GET /x HTTP/1.0\r\nx-api-key: good\r\nconnection: keep-alive\r\n\r\n")
        assert raw.endswith(b"\r\n\r\nabcde")
        assert b"transfer-encoding" not in raw
        assert (await stand.get()).body == b"abcde"


async def test_a_body_that_only_the_end_delimits_becomes_chunks() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\n\r\nabc")
        await peer.say(b"def")

    async with standing() as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything())
        assert (await stand.get()).body == b"abcdef"
