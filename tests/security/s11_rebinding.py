"""S11: a name that answers differently once it was judged, and servers that send the gateway elsewhere.

127.0.0.2 stands for a public address that was opened; 127.0.0.1 is the machine that must not be reached, on the same
port, so that a second look-up or a followed redirect would end there.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from taskgate.errors import Forbidden, TaskgateError, Unavailable
from taskgate.lifespan import TaskSet
from taskgate.outbound.documents import WebDocuments
from taskgate.proxy.pool import Origin, Pool
from taskgate.proxy.settings import ProxySettings
from taskgate.proxy.upstream import Upstream
from taskgate.reach.judging import rules_from
from taskgate.reach.pinning import KEPT_S, Reach
from taskgate.testing.clock import ManualClock

pytestmark = pytest.mark.security
NAME = "rebinding.attacker.example"


class Flipping:
    """A resolver with a TTL of 0: the opened address first, another one ever after."""

    def __init__(self, then: str) -> None:
        self.then = then
        self.asked_count = 0

    async def resolve(self, name: str) -> list[str]:
        self.asked_count += 1
        return ["127.0.0.2" if self.asked_count == 1 else self.then]


class Scene:
    """Two servers on one port: the attacker's, and the one inside."""

    def __init__(self, then: str = "127.0.0.1") -> None:
        self.names = Flipping(then)
        self.clock = ManualClock()
        self.port = 0
        self.paths: list[str] = []
        self.inside_count = 0
        self.answer: Callable[[web.BaseRequest], web.StreamResponse] = lambda _: web.Response(body=b"{}")
        self.reach = Reach(rules_from([], is_local=False), clock=self.clock)

    def open(self, port: int) -> None:
        self.port = port
        rules = rules_from([f"127.0.0.2/32:{port}"], is_local=False)
        self.reach = Reach(rules, clock=self.clock, resolve=self.names.resolve)

    async def outside(self, request: web.BaseRequest) -> web.StreamResponse:
        self.paths.append(request.path)
        return self.answer(request)

    async def inside(self, _: web.BaseRequest) -> web.StreamResponse:
        self.inside_count += 1
        return web.Response(body=b'{"secret": true}')

    async def fetch(self, path: str = "/openapi.json") -> bytes:
        return await WebDocuments(self.reach).fetch(f"http://{NAME}:{self.port}{path}", site_id="acme")


def twins() -> tuple[socket.socket, socket.socket]:
    """Two sockets on one port: of 127.0.0.2, and of 127.0.0.1."""
    while True:
        outside, inside = socket.socket(), socket.socket()
        outside.bind(("127.0.0.2", 0))
        try:
            inside.bind(("127.0.0.1", outside.getsockname()[1]))
        except OSError:
            outside.close()
            inside.close()
        else:
            return outside, inside


@asynccontextmanager
async def listening(
    place: socket.socket, answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
) -> AsyncIterator[None]:
    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.SockSite(runner, place).start()
    yield
    await runner.cleanup()


@asynccontextmanager
async def staged(then: str = "127.0.0.1") -> AsyncIterator[Scene]:
    scene = Scene(then)
    outside, inside = twins()
    async with listening(outside, scene.outside), listening(inside, scene.inside):
        scene.open(outside.getsockname()[1])
        yield scene
        await scene.reach.stop()
    assert scene.inside_count == 0


async def test_the_connection_goes_to_what_was_judged() -> None:
    """One look-up for judging and connecting together; within the seconds of an answer no other is asked for."""
    async with staged() as scene:
        assert [await scene.fetch() for _ in range(3)] == [b"{}"] * 3
        assert scene.names.asked_count == 1
        assert len(scene.paths) == 3


@pytest.mark.parametrize("then", ["127.0.0.1", "169.254.169.254", "::1", "10.0.0.1", "::ffff:127.0.0.1"])
async def test_the_next_answer_is_judged_anew(then: str) -> None:
    async with staged(then) as scene:
        await scene.fetch()
        scene.clock.advance(KEPT_S)
        with pytest.raises(Forbidden) as caught:
            await scene.fetch()
        assert caught.value.code == "ADDRESS_FORBIDDEN"
        assert len(scene.paths) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "to", ["http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:{port}/", "//localhost:{port}/", "/x"]
)
async def test_a_redirect_leads_nowhere(status: int, to: str) -> None:
    async with staged() as scene:
        scene.answer = lambda _: web.Response(status=status, headers={"Location": to.format(port=scene.port)})
        with pytest.raises(Unavailable, match="redirects are not followed"):
            await scene.fetch()
        assert scene.paths == ["/openapi.json"]


async def test_thirty_redirects_cost_one_request() -> None:
    async with staged() as scene:
        scene.answer = lambda request: web.Response(
            status=302, headers={"Location": f"/{int(request.path.strip('/') or 0) + 1}"}
        )
        with pytest.raises(Unavailable):
            await scene.fetch("/0")
        assert scene.paths == ["/0"]


@pytest.mark.parametrize("header", ["Refresh", "Content-Location", "Alt-Svc", "Link"])
async def test_no_other_header_leads_anywhere(header: str) -> None:
    async with staged() as scene:
        value = f'h2="127.0.0.1:{scene.port}"' if header == "Alt-Svc" else f"0; url=http://127.0.0.1:{scene.port}/"
        scene.answer = lambda _: web.Response(body=b"{}", headers={header: value})
        assert await scene.fetch() == b"{}"
        assert await scene.fetch() == b"{}"


class Caller:
    """Somebody who wants a connection of the data plane."""

    def __init__(self) -> None:
        self.found: asyncio.Future[Upstream] = asyncio.get_running_loop().create_future()

    def connected(self, upstream: Upstream) -> None:
        self.found.set_result(upstream)

    def unreached(self, error: TaskgateError) -> None:
        self.found.set_exception(error)


async def test_the_data_plane_connects_to_what_was_judged_and_judges_at_every_connect() -> None:
    """INV-P2: connections that stand are used on; a fresh one goes to no other address than a judged one."""
    tasks = TaskSet()
    async with staged() as scene:
        origin = Origin(scheme="http", host=NAME, port=scene.port, site_id="acme")
        settings = ProxySettings()
        pool = Pool(origin, pinner=scene.reach, settings=settings, tls=None, tasks=tasks, now=scene.clock.monotonic)
        first, second, late = Caller(), Caller(), Caller()
        assert pool.take(first, fresh=False, connect_s=5.0) is None
        assert pool.take(second, fresh=False, connect_s=5.0) is None
        for upstream in (await first.found, await second.found):
            assert upstream.transport.get_extra_info("peername") == ("127.0.0.2", scene.port)
        scene.clock.advance(KEPT_S)
        assert pool.take(late, fresh=False, connect_s=5.0) is None
        with pytest.raises(TaskgateError) as caught:
            await late.found
        assert caught.value.code == "ADDRESS_FORBIDDEN"
        for upstream in (first.found.result(), second.found.result()):
            pool.drop(upstream)
        await tasks.close()
