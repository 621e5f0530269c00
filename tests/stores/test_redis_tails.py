"""Tails of journals over Redis: committed pages reach followers at other gateways, and what may be missing is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from taskgate.journal.entry import Entry
from taskgate.journal.page import Page
from taskgate.stores.redis.follows import MAX_SILENT, Follows
from taskgate.stores.redis.store import RedisStore
from taskgate.stores.redis.tails import MAX_PAGE_BYTES, RedisTailRelay
from tests.servers.redis import Redis
from tests.stores.gateways import joined, joined_twice

PATIENCE_S = 20.0


def page(first: int, count: int = 1, *, text: str = "line") -> Page:
    """Entries with these numbers."""
    return Page(
        Entry(seq=seq, kind="log", at=1.5, text=text, fields={"n": [seq, None]}) for seq in range(first, first + count)
    )


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


class Follower:
    """What came of a subject."""

    def __init__(self, relay: RedisTailRelay, subject: str) -> None:
        self.pages: list[Page] = []
        self.close = relay.follow(subject, self.pages.append)

    def seqs(self) -> list[int]:
        return [entry.seq for one in self.pages for entry in one]


@pytest.fixture
async def twins(redis_url: str) -> AsyncIterator[tuple[RedisStore, RedisStore]]:
    async with joined_twice(redis_url) as both:
        yield both


async def test_pages_reach_followers_at_other_gateways_as_they_are(twins: tuple[RedisStore, RedisStore]) -> None:
    one, other = twins
    two_here, apart = Follower(other.tails, "run"), Follower(other.tails, "another")
    again = Follower(other.tails, "run")
    await until(lambda: one.tails._follows.wants("run", 0.0))
    sent = [page(1, 3), page(4, text="ä\x00\n"), page(5, 100)]
    for each in sent:
        one.tails.send([("run", each)])
    await until(lambda: len(two_here.seqs()) == len(again.seqs()) == 104)
    assert [list(each) for each in two_here.pages if each] == [list(each) for each in sent]
    assert apart.seqs() == []


async def test_nothing_is_sent_where_nobody_follows(twins: tuple[RedisStore, RedisStore], redis: Redis) -> None:
    """Neither without a follower nor for those of the same gateway: they were told already."""
    one, _ = twins
    mine = Follower(one.tails, "run")
    for first in range(1, 50):
        one.tails.send([("run", page(first)), ("other", page(first))])
    await one.connection.call("PING")
    assert "tg:tail:run" not in redis.command("KEYS", "*").split()
    assert mine.seqs() == []


async def test_who_follows_late_is_told_to_read_the_store(twins: tuple[RedisStore, RedisStore]) -> None:
    """A page that was committed just before the news of a follower came is replaced by an empty one."""
    one, other = twins
    reads = Follower(other.tails, "another")
    await until(lambda: one.tails._follows.wants("another", 0.0))
    one.tails.send([("another", page(1))])
    await until(lambda: reads.seqs() == [1])
    one.tails.send([("run", page(1))])
    late = Follower(other.tails, "run")
    await until(lambda: bool(late.pages))
    assert late.pages[0] == []
    late.close()
    late.close()


async def test_no_page_is_missed_without_a_word(twins: tuple[RedisStore, RedisStore]) -> None:
    """Whenever a follower comes, the pages after its coming arrive, or an empty one does: 40 races."""
    one, other = twins
    for number in range(40):
        subject = f"run {number}"
        follower = Follower(other.tails, subject)
        for seq in range(1, 20):
            one.tails.send([(subject, page(seq))])
            await asyncio.sleep(0 if number % 2 else 0.0005)
        await until(lambda follower=follower: bool(follower.pages))  # type: ignore[misc]
        await until(lambda f=follower: f.seqs()[-1:] == [19] or [] in f.pages)  # type: ignore[misc]
        follower.close()


async def test_a_large_page_is_an_empty_one(twins: tuple[RedisStore, RedisStore]) -> None:
    one, other = twins
    follower = Follower(other.tails, "run")
    await until(lambda: one.tails._follows.wants("run", 0.0))
    one.tails.send([("run", page(1, text="x" * MAX_PAGE_BYTES)), ("run", page(2))])
    await until(lambda: follower.seqs() == [2])
    assert [] in follower.pages


async def test_tails_are_forgotten(redis_url: str, redis: Redis) -> None:
    """Streams end with the age of their last page, whoever read them."""
    async with joined(redis_url) as one, joined(redis_url) as other:
        follower = Follower(other.tails, "run")
        await until(lambda: one.tails._follows.wants("run", 0.0))
        one.tails._keep_ms = 100
        one.tails.send([("run", page(1))])
        await until(lambda: follower.seqs() == [1])
        await until(lambda: "tg:tail:run" not in redis.command("KEYS", "*").split())


async def test_f9_after_a_cut_the_store_is_read_again(tmp_path: Path) -> None:
    server = Redis(tmp_path / "redis")
    server.start()
    try:
        async with joined_twice(server.url) as (one, other):
            follower = Follower(other.tails, "run")
            await until(lambda: one.tails._follows.wants("run", 0.0))
            server.kill()
            for seq in range(1, 2000):
                one.tails.send([("run", page(seq))])
            server.start()
            await until(lambda: [] in follower.pages)
            await until(lambda: one.connection.is_up and other.connection.is_up)
            for seq in range(2000, 2300):
                one.tails.send([("run", page(seq))])
                await asyncio.sleep(0.01)
                if max(follower.seqs(), default=0) >= 2000:
                    return
            raise AssertionError("no page came after the cut")
    finally:
        server.stop()


def test_follows_are_forgotten() -> None:
    follows = Follows(keep_s=10.0)
    assert not follows.wants("a", 100.0)
    assert follows.said(["a", "b"], 101.0) == ["a"]
    assert follows.said(["a", "b"], 105.0) == []
    assert follows.wants("b", 114.9)
    assert not follows.wants("b", 115.0)
    follows.forget(200.0)
    assert len(follows) == 0
    assert follows.said(["a", "b"], 200.0) == []
    for number in range(MAX_SILENT + 5):
        follows.wants(str(number), 300.0)
    assert follows.said(["0", "5"], 300.0) == ["5"]
