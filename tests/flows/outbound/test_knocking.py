"""Knocking at real sockets: who takes connections is there, whatever it would say; nobody is waited for."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from taskgate.outbound.knocking import Knocker
from taskgate.reach.judging import rules_from
from taskgate.reach.pinning import Reach
from taskgate.testing.clock import ManualClock

ON = ("127.0.0.1",)


@asynccontextmanager
async def knocker(
    *addresses: str, networks: Sequence[str] = ("auto",), deadline_s: float = 2.0
) -> AsyncIterator[Knocker]:
    async def resolve(name: str) -> Sequence[str]:
        if name == "slow":
            await asyncio.Event().wait()
        return addresses

    reach = Reach(rules_from(networks, is_local=True), clock=ManualClock(), resolve=resolve)
    yield Knocker(reach, deadline_s=deadline_s)
    await reach.stop()


@pytest.fixture
async def door() -> AsyncIterator[tuple[int, asyncio.Queue[bytes]]]:
    """A port that takes connections, and all that was said on each."""
    said: asyncio.Queue[bytes] = asyncio.Queue()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said.put_nowait(await reader.read())
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], said
    server.close()


async def test_who_listens_is_there_and_hears_no_word(door: tuple[int, asyncio.Queue[bytes]]) -> None:
    port, said = door
    async with knocker(*ON) as at:
        assert await at.answers(f"http://here:{port}/deep", site_id="s")
        assert await asyncio.wait_for(said.get(), 5) == b""


async def test_a_closed_port_and_what_may_not_be_reached_are_not_there(door: tuple[int, asyncio.Queue[bytes]]) -> None:
    port, said = door
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        async with knocker(*ON) as at:
            assert not await at.answers(f"http://here:{closed.getsockname()[1]}", site_id="s")
            assert not await at.answers("no url", site_id="s")
    async with knocker(*ON, networks=()) as at:
        assert not await at.answers(f"http://here:{port}", site_id="s")
    async with knocker() as at:
        assert not await at.answers(f"http://here:{port}", site_id="s")
    assert said.empty()


async def test_the_next_address_is_tried(door: tuple[int, asyncio.Queue[bytes]]) -> None:
    async with knocker("127.0.0.2", *ON) as at:
        assert await at.answers(f"http://here:{door[0]}", site_id="s")


async def test_nobody_is_waited_for_longer_than_the_deadline() -> None:
    async with knocker(*ON, deadline_s=0.05) as at:
        start = time.monotonic()
        assert not await at.answers("http://slow:1", site_id="s")
        assert time.monotonic() - start < 15.0
