"""Short texts that the application answers in the turn that reads them: never out of turn, never where none was."""

from __future__ import annotations

import asyncio

import pytest

from taskgate.proxy.handshake import PatientSocket
from tests.edge.front.door import FLOOD, PATIENCE_S, Caller, Door
from tests.edge.front.loops import on_both_loops
from tests.edge.front.test_sockets import HANDSHAKE, frame, spoken

PING, PONG = b"\x89\x80" + bytes(4), b"\x8a\x00"
TEXT_BEGINS, CONTINUED = 0x01, 0x80


async def opened(caller: Caller) -> None:
    """A conversation that has begun: the application waits for the next text."""
    caller.say(HANDSHAKE + frame(b"hello"))
    assert (await caller.head()).startswith(b"HTTP/1.1 101")
    assert await spoken(caller) == b"heard hello"


async def read_so_far(caller: Caller) -> None:
    """Everything that was said before, a ping at its end, has been read."""
    assert await caller.body(2) == PONG


@on_both_loops
async def test_a_text_is_answered_at_once_and_the_next_one_too(door: Door) -> None:
    async with door.caller() as caller:
        await opened(caller)
        for text in (b"now", b"other", b"now " + b"x" * 100, b"now"):
            caller.say(frame(text))
            assert await spoken(caller) == (b"at once " if b"now" in text else b"heard ") + text


@on_both_loops
async def test_several_texts_in_one_segment_are_heard_in_order(door: Door) -> None:
    async with door.caller() as caller:
        await opened(caller)
        caller.say(frame(b"first") + frame(b"now") + frame(b"last"))
        assert [await spoken(caller) for _ in range(3)] == [b"heard first", b"heard now", b"heard last"]


@on_both_loops
async def test_one_text_may_have_several_answers(door: Door) -> None:
    async with door.caller() as caller:
        await opened(caller)
        caller.say(frame(b"now, now"))
        assert [await spoken(caller) for _ in range(2)] == [b"at once now, now"] * 2


@on_both_loops
async def test_an_application_that_does_other_things_is_not_asked(door: Door) -> None:
    """It hears the text in its turn: nothing overtakes what it has still to hear."""
    async with door.caller() as caller:
        await opened(caller)
        caller.say(frame(b"hold"))
        await door.application.heard_hold.wait()
        caller.say(frame(b"now"))
        (socket,) = door.state.connections
        assert isinstance(socket, PatientSocket)
        async with asyncio.timeout(PATIENCE_S):
            while socket.queue.empty():  # noqa: ASYNC110 - the queue is the server's
                await asyncio.sleep(0)
        door.application.go_on.set()
        assert [await spoken(caller) for _ in range(2)] == [b"heard hold", b"heard now"]


@on_both_loops
async def test_what_looks_like_a_text_inside_another_one_is_none(door: Door) -> None:
    """The rest of a frame comes alone in a segment and has the bytes of a whole frame."""
    async with door.caller() as caller:
        await opened(caller)
        inner = frame(b"now")
        caller.say(PING + bytes((0x81, 0x80 | len(inner) + 1)) + bytes(4) + b"x")
        await read_so_far(caller)
        caller.say(inner)
        assert (await caller.body(4))[::3] == b"\x88\xef"  # 1007: these bytes are no text


@pytest.mark.parametrize("cut", [1, 3, 5, 7])
@on_both_loops
async def test_a_text_in_two_segments_is_heard(door: Door, cut: int) -> None:
    async with door.caller() as caller:
        await opened(caller)
        whole = frame(b"now")
        caller.say(PING + whole[:cut])
        await read_so_far(caller)
        caller.say(whole[cut:])
        assert await spoken(caller) == b"heard now"
        caller.say(whole)
        assert await spoken(caller) == b"at once now"


@on_both_loops
async def test_a_text_inside_a_message_in_parts_breaks_the_protocol(door: Door) -> None:
    async with door.caller() as caller:
        await opened(caller)
        caller.say(bytes((TEXT_BEGINS,)) + frame(b"par")[1:] + PING)
        await read_so_far(caller)
        caller.say(frame(b"now"))
        assert (await caller.body(4))[::3] == b"\x88\xea"  # 1002


@on_both_loops
async def test_behind_a_message_in_parts_texts_are_answered_again(door: Door) -> None:
    async with door.caller() as caller:
        await opened(caller)
        caller.say(bytes((TEXT_BEGINS,)) + frame(b"par")[1:])
        caller.say(bytes((CONTINUED,)) + frame(b"ts")[1:])
        assert await spoken(caller) == b"heard parts"
        caller.say(frame(b"now"))
        assert await spoken(caller) == b"at once now"


@on_both_loops
async def test_a_caller_who_does_not_read_is_answered_in_order_when_it_reads(door: Door) -> None:
    """What is answered at once goes nowhere while what was written before has not gone out: the application waits."""
    async with door.caller() as caller:
        await opened(caller)
        caller.say(frame(b"flood"))
        assert (await caller.body(10))[:2] == b"\x81\x7f"
        caller.say(frame(b"now"))
        assert await caller.body(FLOOD) == b"x" * FLOOD
        assert await spoken(caller) == b"heard now"
