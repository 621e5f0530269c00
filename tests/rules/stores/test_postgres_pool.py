"""How long a caller of PostgreSQL waits, and what becomes of a statement that was given up."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from taskgate.errors import Unavailable
from taskgate.stores.postgres import pool
from taskgate.stores.postgres.pool import Pool, is_over
from tests.system.cluster import free_port


async def ends_badly_when_given_up() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise ConnectionError("the connection was cut") from None


@pytest.mark.parametrize("is_cancelled", [False, True], ids=["out of patience", "the caller is gone"])
async def test_how_a_given_up_statement_ends_is_no_news(monkeypatch: pytest.MonkeyPatch, is_cancelled: bool) -> None:
    monkeypatch.setattr(pool, "SLICE_S", 0.01)
    news: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: news.append(told))
    task = asyncio.ensure_future(ends_badly_when_given_up())
    waiting = asyncio.ensure_future(is_over(task, 60.0 if is_cancelled else 0.02))
    await asyncio.sleep(0)
    if is_cancelled:
        waiting.cancel()
        await asyncio.wait({waiting})
    else:
        assert not await waiting
    task.cancel()
    await asyncio.wait({task})
    del task, waiting
    gc.collect()
    await asyncio.sleep(0)
    assert news == []


async def test_an_answer_in_time_is_told() -> None:
    assert await is_over(asyncio.ensure_future(asyncio.sleep(0)), 1.0)


async def test_who_does_not_answer_is_named_all_of_them() -> None:
    """A URL may name several servers; its password is not told."""
    ports = free_port(), free_port()
    places = ",".join(f"127.0.0.1:{port}" for port in ports)
    started = Pool(f"postgresql://u:hunter2@{places}/name")
    with pytest.raises(Unavailable, match=f"127.0.0.1:{ports[0]}, 127.0.0.1:{ports[1]}/name") as refused:
        await started.start()
    assert "hunter2" not in str(refused.value)
