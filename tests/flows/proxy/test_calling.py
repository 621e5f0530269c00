"""Whole calls over the pools of the data plane, to a real service."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from taskgate.errors import Forbidden, TooLarge, Unavailable, UpstreamBroken, UpstreamSlow
from taskgate.lifespan import TaskSet
from taskgate.proxy.caller import Caller, Reply
from taskgate.proxy.calling import PoolCaller
from taskgate.proxy.settings import ProxySettings
from taskgate.proxy.upstreams import Upstreams
from taskgate.routes.policy import BreakerRule, Policy, Timeouts
from taskgate.routes.service import Service
from tests.flows.proxy.upstream import Upstream


class Anywhere:
    """Judges every name as this machine, except the forbidden one."""

    async def pin(self, host: str, port: int, *, scheme: str, site_id: str) -> tuple[str, ...]:
        if host == "forbidden.example":
            raise Forbidden("not there", code="ADDRESS_FORBIDDEN")
        return ("127.0.0.1",)


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    tasks = TaskSet()
    settings = ProxySettings(pool_size=1, pool_wait_s=0.05)
    upstreams = Upstreams(settings, pinner=Anywhere(), tasks=tasks, tls=ssl.create_default_context())
    yield PoolCaller(upstreams, settings, credentials={"inner": b"authorization: Bearer inner\r\n"})
    upstreams.end_swap()
    upstreams.end_swap()
    await tasks.close()


async def ask(caller: Caller, url: str, *, policy: Policy | None = None, **options: Any) -> Reply:
    service = Service(name="math", base_url=url, policy=policy or Policy())
    asked = {"target": b"/double", "headers": (), "body": b'{"n": 4}', "timeout_s": 5.0, "max_bytes": 1000, **options}
    return await caller.call(service, "POST", **asked)


async def test_an_answer_is_whole(caller: Caller, upstream: Upstream) -> None:
    reply = await ask(caller, upstream.url, headers=((b"x-a", b"1"),), target=b"/double?x=1")
    assert (reply.status, reply.body) == (200, b'{"twice": 8}')
    assert reply.header(b"content-type") == b"application/json; charset=utf-8"
    ((method, path, headers, body),) = upstream.asked
    assert (method, path, body) == ("POST", "/double?x=1", {"n": 4})
    assert headers["x-a"] == "1"
    assert headers["via"] == "1.1 taskgate"
    assert headers["host"] == upstream.url.removeprefix("http://")


async def test_a_connection_is_used_again_and_the_next_caller_waits_for_it(caller: Caller, upstream: Upstream) -> None:
    replies = await asyncio.gather(*(ask(caller, upstream.url) for _ in range(5)))
    assert [reply.status for reply in replies] == [200] * 5


async def test_a_full_pool_is_waited_for_in_vain(caller: Caller, upstream: Upstream) -> None:
    upstream.answer = upstream.stall
    first = asyncio.create_task(ask(caller, upstream.url))
    await upstream.came.wait()
    with pytest.raises(Unavailable, match="POOL_WAIT"):
        await ask(caller, upstream.url)
    upstream.go_on.set()
    assert (await first).status == 200


async def test_the_service_gets_the_credential_of_its_policy(caller: Caller, upstream: Upstream) -> None:
    await ask(caller, upstream.url, policy=Policy(credential="set:inner"))
    assert upstream.asked[0][2]["authorization"] == "Bearer inner"
    await ask(caller, upstream.url, policy=Policy(credential="caller"))
    assert "authorization" not in upstream.asked[1][2]


async def test_a_slow_answer_and_a_cancelled_call_are_cut(caller: Caller, upstream: Upstream) -> None:
    upstream.answer = upstream.stall
    with pytest.raises(UpstreamSlow):
        await ask(caller, upstream.url, timeout_s=0.05)
    calling = asyncio.create_task(ask(caller, upstream.url))
    upstream.came.clear()
    await upstream.came.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    async with asyncio.timeout(5.0):
        while upstream.cut_count < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_what_is_not_there_is_broken(caller: Caller, unused_tcp_port: int) -> None:
    with pytest.raises(UpstreamBroken, match="UPSTREAM_UNREACHABLE"):
        await ask(caller, f"http://127.0.0.1:{unused_tcp_port}")


async def test_an_address_is_judged(caller: Caller) -> None:
    with pytest.raises(UpstreamBroken, match="ADDRESS_FORBIDDEN"):
        await ask(caller, "http://forbidden.example")


async def test_an_answer_has_a_limit(caller: Caller, upstream: Upstream) -> None:
    with pytest.raises(TooLarge):
        await ask(caller, upstream.url, max_bytes=5)


async def test_an_answer_that_breaks_off_is_no_answer(caller: Caller, upstream: Upstream) -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "100"})
        await answer.prepare(request)
        await answer.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return answer

    upstream.answer = half
    with pytest.raises(UpstreamBroken):
        await ask(caller, upstream.url)


async def test_the_breaker_of_the_service_counts(caller: Caller, upstream: Upstream) -> None:
    upstream.says(500)
    policy = Policy(breaker=BreakerRule(failures=2, open_s=30.0), timeouts=Timeouts(connect_s=1.0))
    for _ in range(2):
        assert (await ask(caller, upstream.url, policy=policy)).status == 500
    with pytest.raises(Unavailable, match="UPSTREAM_OPEN") as refused:
        await ask(caller, upstream.url, policy=policy)
    assert 0 < refused.value.retry_after_s <= 30
    assert len(upstream.asked) == 2
