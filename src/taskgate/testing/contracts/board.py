"""The contract of `Board`: what every living gateway says, for all to read.

class TestMyBoard(BoardContract):
    @pytest.fixture
    async def boards(self): ...
"""

from __future__ import annotations

import asyncio
import time

from taskgate.fleet.ports import Board

LONG_S = 600.0
SHORT_S = 0.05
PATIENCE_S = 20.0


class BoardContract:
    """Fixture: `boards`, two adapters on one store, as two gateways have them."""

    async def test_everybody_reads_what_everybody_says(self, boards: tuple[Board, Board]) -> None:
        one, other = boards
        assert await one.read() == {}
        await one.post("one", b"\x00\xff", keep_s=LONG_S)
        await other.post("other", b"", keep_s=LONG_S)
        assert await one.read() == await other.read() == {"one": b"\x00\xff", "other": b""}

    async def test_the_last_word_counts(self, boards: tuple[Board, Board]) -> None:
        one, other = boards
        for text in (b"1", b"2", b"3"):
            await one.post("one", text, keep_s=LONG_S)
        assert await other.read() == {"one": b"3"}

    async def test_who_says_nothing_more_is_forgotten(self, boards: tuple[Board, Board]) -> None:
        one, other = boards
        await one.post("one", b"1", keep_s=SHORT_S)
        await other.post("other", b"2", keep_s=LONG_S)
        deadline = time.monotonic() + PATIENCE_S
        while await other.read() != {"other": b"2"}:
            assert time.monotonic() < deadline
            await asyncio.sleep(SHORT_S / 5)
        await one.post("one", b"3", keep_s=LONG_S)
        assert await other.read() == {"one": b"3", "other": b"2"}

    async def test_who_leaves_is_gone_at_once(self, boards: tuple[Board, Board]) -> None:
        one, other = boards
        await one.post("one", b"1", keep_s=LONG_S)
        await one.remove("one")
        await one.remove("one")
        assert await other.read() == {}
