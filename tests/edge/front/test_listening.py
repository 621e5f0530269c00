"""The end of a listening door: at once when nothing is in flight, after what is, and after its patience in any case."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from taskgate.proxy.doorway import Fronts, unclaimed
from taskgate.proxy.listening import Listener, listen, listener_config
from taskgate.proxy.settings import ProxySettings
from tests.edge.front.door import PATIENCE_S, Application, Door
from tests.edge.front.loops import on_both_loops

GRACE_S = 1


class Served(Door):
    """A door that serves until it is asked to end."""

    def __init__(self, listener: Listener, application: Application, *, port: int) -> None:
        super().__init__(application, port, listener.server_state)
        self.listener = listener
        self.serving: asyncio.Task[None]

    async def ended(self) -> float:
        """Ask it to end; the seconds that takes."""
        began = time.monotonic()
        self.listener.end()
        async with asyncio.timeout(PATIENCE_S):
            await self.serving
        return time.monotonic() - began


@asynccontextmanager
async def serving() -> AsyncIterator[Served]:
    application = Application()
    config = listener_config(application, max_frame_bytes=1 << 20)
    config.timeout_graceful_shutdown = GRACE_S
    listener = Listener(config, Fronts(unclaimed, ProxySettings()), handshake_s=5.0)
    sock = listen("127.0.0.1", 0)
    served = Served(listener, application, port=sock.getsockname()[1])
    served.serving = asyncio.create_task(listener.serve(sockets=[sock]))
    await listener.is_up.wait()
    try:
        yield served
    finally:
        await served.ended()


@on_both_loops
async def test_an_idle_connection_ends_with_the_door() -> None:
    async with serving() as door, door.caller() as idle:
        idle.say(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await idle.answer() == (200, b"GET ")
        assert await door.ended() < GRACE_S
        assert await idle.rest() == b""
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", door.port)


@on_both_loops
async def test_an_idle_door_is_told_of_its_end_and_does_not_look_for_it() -> None:
    took_s = []
    for _ in range(5):
        async with serving() as door:
            took_s.append(await door.ended())
    assert min(took_s) < 0.05


@on_both_loops
async def test_a_door_ends_behind_what_is_in_flight() -> None:
    async with serving() as door, door.caller() as busy:
        busy.say(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
        await busy.head()
        door.listener.end()
        await asyncio.sleep(0.05)
        assert not door.serving.done()
        door.application.go_on.set()
        assert await busy.rest() == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
        assert await door.ended() < GRACE_S


@on_both_loops
async def test_what_does_not_end_is_cut_after_the_patience(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with serving() as door, door.caller() as busy:
            busy.say(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
            await busy.head()
            assert GRACE_S * 0.9 < await door.ended() < PATIENCE_S
            assert await busy.rest() == b""
    assert "requests that did not end in time are cut: 1" in caplog.text
    assert not door.state.tasks


@on_both_loops
async def test_the_date_of_answers_goes_on() -> None:
    async with serving() as door, door.caller() as caller:
        seen = set()
        for pause_s in (1.5, 0.0):
            caller.say(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
            head = await caller.head()
            seen.add(next(line for line in head.split(b"\r\n") if line.lower().startswith(b"date:")))
            await caller.body(4)
            await asyncio.sleep(pause_s)
        assert len(seen) == 2
