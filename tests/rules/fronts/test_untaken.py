"""A front that stands still costs its gateway bounded memory (INV-S4)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from taskgate.fronts import messages as m
from taskgate.fronts.channel import Channel

PATIENCE_S = 20.0
PIECE = b"x" * 65_536


async def test_a_side_that_takes_nothing_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskgate.fronts.channel.MAX_UNTAKEN", 1 << 20)
    accepted: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()
    ended = asyncio.Event()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = Channel[m.ToGateway](reader, writer, m.ToGateway)
        accepted.set_result(writer)
        most = 0
        for _ in range(200):
            channel.send(m.News("keys", PIECE))
            most = max(most, writer.transport.get_write_buffer_size())
        assert most < 2 << 20
        async for _ in channel.received():
            pass
        ended.set()

    server = await asyncio.start_unix_server(served, path=tmp_path / "s")
    _, silent = await asyncio.open_unix_connection(tmp_path / "s", limit=1024)
    async with asyncio.timeout(PATIENCE_S):
        writer = await accepted
        await ended.wait()
    assert writer.is_closing()
    silent.close()
    server.close()
