"""WebSockets of the application on a connection that the front has served before."""

from __future__ import annotations

import pytest

from tests.edge.front.door import Caller, Door
from tests.edge.front.loops import on_both_loops
from tests.edge.front.test_cycle import get

HANDSHAKE = get(
    "/ws", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)  # fmt: skip


def frame(text: bytes) -> bytes:
    """A masked text frame (the mask is zero)."""
    return bytes((0x81, 0x80 | len(text))) + bytes(4) + text


async def spoken(caller: Caller) -> bytes:
    """The text of the next frame."""
    kind, length = await caller.body(2)
    assert kind == 0x81
    return await caller.body(length)


@on_both_loops
async def test_behind_requests_of_the_same_connection(door: Door) -> None:
    async with door.caller() as caller:
        caller.say(get("/echo"))
        await caller.answer()
        caller.say(get("/echo") + get("/echo") + HANDSHAKE)
        assert [await caller.answer() for _ in range(2)] == [(200, b"GET ")] * 2
        assert (await caller.head()).startswith(b"HTTP/1.1 101")
        caller.say(frame(b"later"))
        assert await spoken(caller) == b"heard later"


@on_both_loops
async def test_frames_in_the_segment_of_the_handshake(door: Door) -> None:
    async with door.caller() as caller:
        caller.say(HANDSHAKE + frame(b"first") + frame(b"second"))
        assert (await caller.head()).startswith(b"HTTP/1.1 101")
        assert [await spoken(caller), await spoken(caller)] == [b"heard first", b"heard second"]


@on_both_loops
async def test_frames_before_the_turn_of_the_handshake(door: Door) -> None:
    async with door.caller() as caller:
        caller.say(get("/stream") + HANDSHAKE + frame(b"first"))
        await caller.head()
        door.application.go_on.set()
        await caller.body(21)
        assert (await caller.head()).startswith(b"HTTP/1.1 101")
        assert await spoken(caller) == b"heard first"


@on_both_loops
async def test_another_upgrade_is_an_ordinary_request(door: Door) -> None:
    async with door.caller() as caller:
        caller.say(get("/echo", "Connection: Upgrade", "Upgrade: h2c") + get("/echo"))
        assert [await caller.answer() for _ in range(2)] == [(200, b"GET ")] * 2


@on_both_loops
async def test_what_is_no_frame_behind_a_handshake(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    """It is looked at when the handshake is answered, and ends the connection; it is no failure of ours."""
    async with door.caller() as caller:
        caller.say(HANDSHAKE + get("/echo"))
        assert (await caller.head()).startswith(b"HTTP/1.1 101")
        assert (await caller.body(4))[0] == 0x88
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert door.application.scopes[-1]["client"][0] == "127.0.0.1"
