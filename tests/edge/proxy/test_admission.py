"""Who is let in, what the upstream is told of them, and calls that become runs."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace

import msgspec
import pytest

from taskgate.errors import InvalidInput, NotFound
from taskgate.identity.principal import Principal
from taskgate.proxy import plane
from taskgate.proxy.settings import ProxySettings
from taskgate.routes.policy import Alternative, Fallback, Policy, RateLimit, RetryRule
from taskgate.routes.ports import RunAnswer
from taskgate.routes.service import Route, Snapshot
from taskgate.secret import Secret
from tests.edge.proxy.stand import CALLERS, Answer, Peer, ScriptedUpstream, Stand, echo, everything, request, standing


def code_of(answer: Answer) -> str:
    code: str = msgspec.json.decode(answer.body)["code"]
    return code


async def test_nobody_gets_in_without_a_credential() -> None:
    async with standing() as stand:
        upstream = await stand.upstream()
        stand.register(upstream.url, everything())
        for _ in range(3):
            answer = await stand.get(key="bad", method="POST", body=b"x")
            assert (answer.status, code_of(answer)) == (401, "UNAUTHENTICATED")
        assert upstream.connections == 0
        assert stand.plane.tasks.ailment is None


async def test_a_credential_that_must_be_looked_up() -> None:
    async with standing() as stand:
        upstream = await stand.upstream()
        stand.register(upstream.url, everything())
        assert (await stand.get(key="unknown", method="POST", body=b"body")).body == b"body"
        heard = upstream.heard[0]
        assert heard.lines("x-user-id") == ["u-%C3%A4"]
        assert heard.lines("x-app-id") == ["a"]


async def test_a_scope_is_needed() -> None:
    async with standing() as stand:
        upstream = await stand.upstream()
        stand.register(upstream.url, everything())
        answer = await stand.get(key="reader")
        assert (answer.status, code_of(answer), upstream.heard) == (403, "FORBIDDEN", [])
        stand.register(upstream.url, everything(Policy(scope="")))
        assert (await stand.get(key="reader")).status == 200


async def test_other_sites_do_not_learn_of_a_route() -> None:
    """Exactly the application's answer for an address that nobody has."""
    async with standing() as stand:
        upstream = await stand.upstream()
        stand.register(upstream.url, Route(name="r", method="GET", path="/mine"))
        foreign, missing = await stand.get("/mine", key="foreign"), await stand.get("/nowhere", key="foreign")
        assert foreign.raw == missing.raw
        assert (await stand.get("/mine", key="foreign", method="POST")).raw == missing.raw
        for method in ("GET", "POST"):
            late = await stand.get("/mine", key="stranger", method=method)
            assert (late.status, code_of(late), upstream.heard) == (404, "NO_SUCH_ADDRESS", [])
        stand.register(upstream.url, Route(name="r", method="GET", path="/mine"), shared=True)
        assert (await stand.get("/mine", key="foreign")).status == 200


async def test_a_path_without_this_method() -> None:
    async with standing() as stand:
        stand.register("http://127.0.0.1:1", Route(name="r", method="GET", path="/only/{a}"))
        answer = await stand.get("/only/1", method="DELETE")
        assert (answer.status, answer.header("allow")) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/v1/runs", "/gateway/services", "/docs", "/health", "/v1/tasks/a/runs"])
async def test_the_gateways_own_paths_are_never_claimed(path: str) -> None:
    async with standing() as stand:
        upstream = await stand.upstream()
        stand.register(upstream.url, everything(), Route(name="own", method="GET", path=path))
        assert ((await stand.get(path)).body, upstream.heard) == (b"app", [])
        assert (await stand.get("/v1/ai/math/add")).status == 200


async def test_rate_limits() -> None:
    async with standing() as stand:
        upstream = await stand.upstream()
        limits = (RateLimit(rate=0.1, burst=2),)
        stand.register(upstream.url, everything(Policy(rate_limits=limits)))
        first, second, third = [await stand.get() for _ in range(3)]
        assert [answer.status for answer in (first, second, third)] == [200, 200, 429]
        assert (first.header("ratelimit") or "").startswith('"principal";r=1;')
        assert int(third.header("retry-after") or 0) in range(9, 11)
        stand.register(upstream.url, everything(Policy(rate_limits=limits)), shared=True)
        assert (await stand.get()).status == 429, "the same limits go on over a swap"


async def test_credentials_for_the_upstream() -> None:
    settings = ProxySettings(credentials=Secret("partner = Authorization: Bearer ours"))
    async with standing(settings) as stand:
        upstream = await stand.upstream()
        seen = []
        for policy in ("none", "caller", "set:partner"):
            stand.register(upstream.url, everything(Policy(credential=policy)))
            await stand.get()
            heard = upstream.heard[-1]
            seen.append((heard.lines("x-api-key"), heard.lines("authorization")))
        assert seen == [([], []), (["good"], []), ([], ["Bearer ours"])]


@pytest.mark.parametrize("credential", ["caller", "set:partner"])
async def test_credentials_do_not_follow_a_fallback(credential: str) -> None:
    async with standing(ProxySettings(credentials=Secret("partner = Authorization: Bearer ours"))) as stand:
        second = await stand.upstream()
        policy = Policy(credential=credential, fallback=Fallback(to=(Alternative(upstream=second.url),)))
        stand.register("http://127.0.0.1:1", everything(policy))
        assert (await stand.get()).status == 200
        heard = second.heard[0]
        assert heard.lines("x-api-key") + heard.lines("authorization") == []


def test_a_broken_line_of_credentials_is_not_shown() -> None:
    from taskgate.proxy.credentials import read_credentials

    with pytest.raises(InvalidInput) as refused:
        read_credentials("a = B: c\nsecret words")
    assert "line 2" in refused.value.detail
    assert "secret words" not in str(refused.value)


async def test_a_request_that_was_here_before() -> None:
    async with standing() as stand:
        upstream = await stand.upstream()
        stand.register(upstream.url, everything())
        looped = Answer(await stand.ask(request(lines=b"via: 1.1 other, 1.1 taskgate\r\nconnection: close\r\n")))
        assert (looped.status, code_of(looped), upstream.heard) == (508, "LOOP_DETECTED", [])
        assert Answer(await stand.ask(request(lines=b"via: 1.0 other\r\nconnection: close\r\n"))).status == 200
        assert upstream.heard[0].lines("via") == ["1.0 other, 1.1 taskgate"]


async def test_a_trusted_peer_is_believed() -> None:
    told = (
        b"x-forwarded-for: 9.9.9.9\r\nx-forwarded-proto: https\r\nx-forwarded-host: a.example\r\nconnection: close\r\n"
    )
    for trusted, address, proto in ((("127.0.0.0/8",), "9.9.9.9, 127.0.0.1", "https"), ((), "127.0.0.1", "http")):
        async with standing(ProxySettings(trusted_proxies=trusted)) as stand:
            upstream = await stand.upstream()
            stand.register(upstream.url, everything())
            await stand.ask(request(lines=told))
            assert upstream.heard[0].lines("x-forwarded-for") == [address]
            assert upstream.heard[0].lines("x-forwarded-proto") == [proto]
            assert len(upstream.heard[0].lines("forwarded")) == 1


async def test_ids_of_a_caller_are_passed_on() -> None:
    async with standing() as stand:
        upstream = await stand.upstream()
        stand.register(upstream.url, everything())
        parent = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
        lines = f"traceparent: {parent}\r\ntracestate: x=1\r\nx-request-id: mine\r\nconnection: close\r\n".encode()
        answer = Answer(await stand.ask(request(lines=lines)))
        heard = upstream.heard[0]
        assert heard.lines("traceparent") == [parent]
        assert heard.lines("tracestate") == ["x=1"]
        assert (heard.lines("x-request-id"), answer.header("x-request-id")) == (["mine"], "mine")


async def test_a_revoked_key_ends_its_streams() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await peer.until_gone()

    async with standing() as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything())
        reader, writer = await stand.connect()
        writer.write(request())
        await reader.readuntil(b"abc")
        stand.plane.revoke("another")
        stand.plane.revoke("k1")
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(10), 5)
        assert await asyncio.wait_for(upstream.ended.get(), 5) == 1


async def test_a_stream_ends_a_minute_behind_its_token_and_a_waiting_call_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the second look after it, so that an answer which is just going out is let out."""
    ends_at = time.time()
    monkeypatch.setitem(CALLERS, b"good", replace(CALLERS[b"good"], token_id="jti:x", expires_at=ends_at))
    monkeypatch.setattr(plane, "SWEEP_S", 60.0)
    may_answer, is_asked = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        if b"/slow" in (await peer.request()).head:
            is_asked.set()
            await may_answer.wait()
            await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
        else:
            await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await peer.until_gone()

    async with standing() as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything())
        reader, writer = await stand.connect()
        writer.write(request())
        await reader.readuntil(b"abc")
        waiting_reader, waiting = await stand.connect()
        waiting.write(request(path="/slow"))
        await asyncio.wait_for(is_asked.wait(), 5)
        for now in (ends_at + 59, ends_at + 59, ends_at + 61):
            plane.end_lapsed(stand.plane, now)
        assert len(stand.plane.means.open_calls) == 2
        plane.end_lapsed(stand.plane, ends_at + 62)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(10), 5)
        may_answer.set()
        assert (await asyncio.wait_for(waiting_reader.readuntil(b"late"), 5)).startswith(b"HTTP/1.1 200")


async def test_streams_are_looked_at_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await peer.until_gone()

    monkeypatch.setitem(CALLERS, b"good", replace(CALLERS[b"good"], expires_at=time.time() - 61))
    monkeypatch.setattr(plane, "SWEEP_S", 0.05)
    async with standing() as stand:
        upstream = await stand.upstream(script)
        stand.register(upstream.url, everything())
        reader, writer = await stand.connect()
        writer.write(request())
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readuntil(b"never"), 5)
        assert await asyncio.wait_for(upstream.ended.get(), 5) == 1


@dataclass
class Runs:
    """Remembers what it was asked to perform."""

    asked: list[tuple[str, str, bytes, float]] = field(default_factory=list)

    async def perform(
        self, principal: Principal, task: str, *, body: bytes, key: str, wait_s: float, traceparent: str
    ) -> RunAnswer:
        self.asked.append((task, key, body, wait_s))
        if task == "missing":
            raise NotFound("there is no such task", code="UNKNOWN_TASK")
        return RunAnswer(status=202, headers=((b"location", b"/v1/runs/1"),), body=b"{}")


async def test_a_route_to_a_task() -> None:
    runs = Runs()
    async with standing(run_door=runs) as stand:
        route = Route(name="r", method="POST", path="/do", task="sum", wait_s=7.0)
        lost = Route(name="l", method="POST", path="/lost", task="missing")
        stand.register("http://127.0.0.1:1", route, lost)
        body = b"[" + b"1," * 60_000 + b"1]"
        lines = b"connection: close\r\nx-request-id: once\r\ncontent-length: %d\r\n" % len(body)
        answer = Answer(await stand.ask(request("/do", method="POST", lines=lines) + body))
        assert (answer.status, answer.header("location"), answer.body) == (202, "/v1/runs/1", b"{}")
        assert runs.asked == [("sum", "once", body, 7.0)]
        assert code_of(await stand.get("/lost", method="POST", body=b"1")) == "UNKNOWN_TASK"
        assert stand.plane.tasks.ailment is None
        assert stand.pinner.asked == []


async def falling_to_a_task(stand: Stand, upstream: ScriptedUpstream, *, repeatable: bool) -> Answer:
    fallback = Fallback(to=(Alternative(task="sum"),), total_s=20.0)
    policy = Policy(fallback=fallback, repeatable=repeatable, retry=RetryRule(count=0))
    stand.register(upstream.url, everything(policy))
    return await stand.get(method="POST", body=b"[1]")


async def test_a_fallback_to_a_task() -> None:
    async def failing(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"no", status="503 Away")

    runs = Runs()
    async with standing(run_door=runs) as stand:
        upstream = await stand.upstream(failing)
        assert (await falling_to_a_task(stand, upstream, repeatable=False)).status == 503
        assert runs.asked == []
        answer = await falling_to_a_task(stand, upstream, repeatable=True)
        assert (answer.status, answer.header("gateway-attempts")) == (202, "2")
        [(task, key, body, wait_s)] = runs.asked
        assert (task, key, body) == ("sum", answer.header("x-request-id"), b"[1]")
        assert 15 < wait_s <= 20


async def test_a_large_body_falls_to_a_task_where_nothing_was_sent() -> None:
    runs = Runs()
    async with standing(ProxySettings(replay_bytes=1000), run_door=runs) as stand:
        policy = Policy(fallback=Fallback(to=(Alternative(task="sum"),), total_s=20.0), retry=RetryRule(count=0))
        stand.register("http://127.0.0.1:1", everything(policy))
        body = b"[" + b"1," * 300_000 + b"1]"
        assert (await stand.get(method="POST", body=body)).status == 202
        assert runs.asked[0][2] == body


async def test_a_snapshot_that_cannot_stand_changes_nothing() -> None:
    async with standing() as stand:
        upstream = await stand.upstream(echo)
        stand.register(upstream.url, everything())
        with pytest.raises(InvalidInput):
            stand.register("gopher://x", everything(), name="bad")
        assert (await stand.get()).status == 200
        stand.plane.apply(Snapshot())
        assert (await stand.get()).body == b"app"
