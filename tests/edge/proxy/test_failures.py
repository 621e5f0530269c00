"""Upstreams that fail: what is tried again, what never is, and what the caller sees."""

from __future__ import annotations

import asyncio
import socket

import msgspec
import pytest

from taskgate.proxy.settings import ProxySettings
from taskgate.routes.policy import Alternative, BreakerRule, Fallback, Policy, RetryRule, Timeouts
from taskgate.routes.ports import Health
from taskgate.routes.service import Route
from tests.edge.proxy.stand import Answer, Peer, cut, echo, everything, request, standing

ONCE = Policy(retry=RetryRule(count=0))


def code_of(answer: Answer) -> str:
    code: str = msgspec.json.decode(answer.body)["code"]
    return code


class Dying:
    """Answers the first request of its first connection, and closes it in silence when the second one comes."""

    def __init__(self) -> None:
        self.met: list[bytes] = []

    async def __call__(self, peer: Peer) -> None:
        first = peer.owner.connections == 1
        while True:
            heard = await peer.request()
            self.met.append(heard.head.split(b" ")[0])
            if first and len(self.met) > 1:
                return
            await peer.answer()


@pytest.mark.parametrize(("method", "met", "status"), [("GET", 3, 200), ("POST", 2, 502)])
async def test_a_kept_connection_that_was_closed(method: str, met: int, status: int) -> None:
    """A GET goes once more on a fresh connection, a POST is never sent twice."""
    script = Dying()
    async with standing() as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything(ONCE))
        assert (await stand.get()).status == 200
        answer = await stand.get(method=method, body=b"" if method == "GET" else b"x")
        assert (answer.status, len(script.met)) == (status, met)


BROKEN = {
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "the same length twice": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare line feed": b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 2\r\n\r\nok",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunks of HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "an unasked upgrade": b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nConte",
    "a bad chunk in the first piece": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokXX\r\n",
    "folded line": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
}


@pytest.mark.parametrize("name", BROKEN)
async def test_answers_that_can_be_read_in_two_ways(name: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(BROKEN[name])

    async with standing() as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything(ONCE))
        answer = await stand.get(method="POST", body=b"x")
        assert (answer.status, code_of(answer)) == (502, "UPSTREAM_BROKEN")
        assert answer.header("gateway-error-source") == "gateway"
        assert len(upstream.heard) == 1


CUT = {
    "inside a length": b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf",
    "inside chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
}


@pytest.mark.parametrize("name", CUT)
async def test_a_cut_body_is_passed_on_as_cut(name: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(CUT[name])

    async with standing() as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything(ONCE))
        reader, writer = await stand.connect()
        writer.write(request(lines=b""))
        raw = b""
        try:
            while piece := await asyncio.wait_for(reader.read(65536), 10):
                raw += piece
        except ConnectionResetError:
            pass
        assert b"200 OK" in raw or raw == b""
        assert not raw.endswith(b"0\r\n\r\n")
        assert len(raw.partition(b"\r\n\r\n")[2]) < 20


async def test_bytes_behind_an_answer_are_never_served() -> None:
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"

    async def script(peer: Peer) -> None:
        while True:
            heard = await peer.request()
            await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood" + (evil if b"/a" in heard.head else b""))
            if b"/b" in heard.head:
                await peer.say(evil)

    async with standing() as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything())
        for path in ("/a", "/b", "/c", "/a", "/c"):
            assert (await stand.get(path)).body == b"good"
        assert upstream.connections >= 3


async def test_a_slow_upstream_is_given_up() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.until_gone()

    policy = Policy(timeouts=Timeouts(first_byte_s=0.1))
    async with standing() as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything(policy))
        answer = await stand.get()
        assert (answer.status, code_of(answer)) == (504, "UPSTREAM_TIMEOUT")
        assert await asyncio.wait_for(upstream.ended.get(), 5) == 1


async def test_silence_in_an_answer_cuts_it() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf")
        await peer.until_gone()

    async with standing() as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything(Policy(timeouts=Timeouts(idle_s=0.1))))
        reader, writer = await stand.connect()
        writer.write(request(lines=b""))
        await reader.readuntil(b"half")
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 5)
        assert await asyncio.wait_for(upstream.ended.get(), 5) == 1


def leading(*targets: Alternative, repeatable: bool = False, total_s: float = 30.0, **more: object) -> Route:
    """A route with a fallback chain, without retries."""
    policy = Policy(retry=RetryRule(count=0), fallback=Fallback(to=targets, total_s=total_s), repeatable=repeatable)
    return everything(msgspec.structs.replace(policy, **more))


async def test_the_chain_is_tried_in_order() -> None:
    async def failing(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.answer(b"no", status="503 Away")

    async with standing() as stand:
        broken, third = await stand.upstream(failing), await stand.upstream(echo)
        gone = "http://127.0.0.1:1"
        route = leading(Alternative(upstream=broken.url), Alternative(upstream=third.url))
        stand.register(gone, route)
        answer = await stand.get("/y?a=1")
        assert (answer.status, answer.header("gateway-attempts")) == (200, "3")
        assert [len(broken.heard), len(third.heard)] == [1, 1]
        assert third.heard[0].head.startswith(b"GET /y?a=1 ")


@pytest.mark.parametrize(("repeatable", "status", "count"), [(False, 503, 0), (True, 200, 1)])
async def test_a_post_goes_on_only_where_it_may_be_repeated(repeatable: bool, status: int, count: int) -> None:
    async def failing(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"no", status="503 Away")

    async with standing() as stand:
        broken, second = await stand.upstream(failing), await stand.upstream(echo)
        stand.register(broken.url, leading(Alternative(upstream=second.url), repeatable=repeatable))
        answer = await stand.get(method="POST", body=b"once")
        assert (answer.status, len(second.heard)) == (status, count)
        assert answer.body == (b"once" if repeatable else b"no")


async def test_a_post_goes_on_where_nothing_was_sent() -> None:
    async with standing() as stand:
        second = await stand.upstream(echo)
        stand.register("http://127.0.0.1:1", leading(Alternative(upstream=second.url)))
        assert (await stand.get(method="POST", body=b"once")).body == b"once"


async def test_a_body_that_was_not_kept_goes_nowhere_else() -> None:
    async def failing(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"no", status="503 Away")

    async with standing(ProxySettings(replay_bytes=1000)) as stand:
        broken, second = await stand.upstream(failing), await stand.upstream(echo)
        stand.register(broken.url, leading(Alternative(upstream=second.url), repeatable=True))
        answer = await stand.get(method="POST", body=b"x" * 5000)
        assert (answer.status, len(second.heard)) == (503, 0)


async def test_the_whole_chain_has_one_deadline() -> None:
    async def silent(peer: Peer) -> None:
        await peer.request()
        await peer.until_gone()

    async with standing() as stand:
        first, second = await stand.upstream(silent), await stand.upstream(silent)
        timeouts = Timeouts(first_byte_s=0.1)
        targets = [Alternative(upstream=second.url)] * 50
        stand.register(first.url, leading(*targets, total_s=0.35, timeouts=timeouts, breaker=BreakerRule(failures=0)))
        answer = await stand.get()
        assert answer.status == 504
        assert 1 <= len(second.heard) <= 4


async def test_slow_first_bytes_lead_to_another_service() -> None:
    async def silent(peer: Peer) -> None:
        await peer.request()
        await peer.until_gone()

    async with standing() as stand:
        first, second = await stand.upstream(silent), await stand.upstream(echo)
        stand.register(second.url, Route(name="r", method="GET", path="/other"), name="second")
        route = leading(Alternative(service="second"), timeouts=Timeouts(first_byte_s=0.1))
        stand.register(first.url, route)
        assert (await stand.get("/z")).body == b"ok"
        assert second.heard[0].head.startswith(b"GET /z ")


async def test_retries_stay_within_their_count() -> None:
    async def dropping(peer: Peer) -> None:
        await peer.request()

    async with standing() as stand:
        upstream = await stand.upstream(dropping)
        stand.register(upstream.url, everything(Policy(retry=RetryRule(count=2), breaker=BreakerRule(failures=0))))
        answer = await stand.get()
        assert (answer.status, len(upstream.heard), answer.header("gateway-attempts")) == (502, 3, "3")
        assert (await stand.get(method="POST", body=b"x")).status == 502
        assert len(upstream.heard) == 4


async def test_an_open_breaker_asks_nobody() -> None:
    async def failing(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.answer(b"no", status="500 Broken")

    async with standing() as stand:
        upstream = await stand.upstream(failing)
        stand.register(upstream.url, everything(Policy(breaker=BreakerRule(failures=2, open_s=30.0))))
        assert [(await stand.get()).status for _ in range(2)] == [500, 500]
        assert stand.plane.health("svc").state == "open"
        answer = await stand.get()
        assert (answer.status, code_of(answer), len(upstream.heard)) == (503, "UPSTREAM_OPEN", 2)
        assert int(answer.header("retry-after") or 0) in range(28, 31)


@pytest.mark.parametrize("failures", [0, 100])
async def test_what_went_wrong_is_told_with_or_without_a_breaker(failures: int) -> None:
    """`failures` in a row, and the last error, which stays to be read."""

    async def script(peer: Peer) -> None:
        while True:
            heard = await peer.request()
            if b"/cut" in heard.head:
                await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
                return
            await peer.answer(status="502 Broken" if b"/fail" in heard.head else "200 OK")

    async with standing() as stand:
        upstream = await stand.upstream(script)
        policy = Policy(breaker=BreakerRule(failures=failures), retry=RetryRule(count=0))
        stand.register(upstream.url, everything(policy))
        assert stand.plane.health("svc") == stand.plane.health("nobody") == Health()
        await stand.get("/fail")
        await stand.get("/fail")
        assert stand.plane.health("svc") == Health(failures=2, last_error="it answered 502")
        await stand.get("/fine")
        assert stand.plane.health("svc") == Health(failures=0, last_error="it answered 502")
        reader, writer = await stand.connect()
        writer.write(request("/cut"))
        await reader.read()
        assert stand.plane.health("svc") == Health(failures=1, last_error="it cut its answer short")
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            stand.register(f"http://127.0.0.1:{closed.getsockname()[1]}", everything(policy))
            await stand.get("/none")
        health = stand.plane.health("svc")
        assert (health.failures, health.last_error != "") == (1, True)


async def test_callers_that_leave_hold_no_place_of_a_breaker() -> None:
    """A probe whose caller leaves gives its place back."""

    async def script(peer: Peer) -> None:
        while True:
            heard = await peer.request()
            if b"/fail" in heard.head:
                await peer.answer(b"no", status="500 Broken")
            elif b"/wait" in heard.head:
                await peer.until_gone()
            else:
                await peer.answer()

    async with standing() as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything(Policy(breaker=BreakerRule(failures=1, open_s=0.001))))
        assert (await stand.get("/fail")).status == 500
        upstream.news.clear()
        ended = asyncio.get_running_loop().time() + 5
        while stand.plane.health("svc").state == "open" and asyncio.get_running_loop().time() < ended:
            await stand.get("/closed", key="bad")
        _, writer = await stand.connect()
        writer.write(request("/wait"))
        await asyncio.wait_for(upstream.news.wait(), 5)
        cut(writer)
        await asyncio.wait_for(upstream.ended.get(), 5)
        assert (await stand.get("/ok")).status == 200


async def test_a_service_that_is_away() -> None:
    async with standing() as stand:
        second = await stand.upstream(echo)
        stand.register("http://127.0.0.1:1", everything(), away=True)
        answer = await stand.get()
        assert (answer.status, code_of(answer), stand.pinner.asked) == (503, "SERVICE_AWAY", [])
        stand.register("http://127.0.0.1:1", leading(Alternative(upstream=second.url)), away=True)
        assert (await stand.get()).status == 200
