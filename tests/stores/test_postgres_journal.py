"""Journals on PostgreSQL hold the contract of every journal, also where two gateways write and read one subject
(INV-L1, INV-L2, INV-S4), and whatever becomes of the connection while they commit (F11)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import count
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings

from taskgate.clock import SystemClock
from taskgate.errors import Unavailable
from taskgate.journal.entry import Appended
from taskgate.journal.numbering import MAX_SUBJECT_BYTES
from taskgate.journal.page import PAGE_BYTES
from taskgate.journal.ports import Journal, TailRelay
from taskgate.journal.tail import Tail
from taskgate.stores.memory.journal import MemoryJournal
from taskgate.stores.memory.relay import MemoryTailRelay
from taskgate.stores.postgres.journal import PostgresJournal
from taskgate.stores.postgres.pool import Connection, Pool, Work
from taskgate.stores.postgres.store import PostgresStore
from taskgate.testing.clock import ManualClock
from taskgate.testing.contracts.journal import SMALL_BYTES, JournalContract
from taskgate.testing.journals import Command, append, everything, followed, histories, lines, play, seqs, texts
from taskgate.testing.relays import UnreliableRelay
from taskgate.testing.stage import RunStage
from tests.servers.postgres import Postgres

HISTORY_BYTES = 900  # small enough that histories fill subjects
LOOK_AGAIN_S = 0.2


@pytest.fixture(scope="module")
def journals_url(postgres: Postgres) -> str:
    """One database for all tests here, which each find it empty: tables are made once."""
    url = postgres.new_database()

    async def made() -> None:
        store = PostgresStore(url, clock=SystemClock())
        await store.start()
        await store.stop()

    asyncio.run(made())
    return url


@asynccontextmanager
async def opened(
    url: str, *, limit_bytes: int = MAX_SUBJECT_BYTES, relay: TailRelay | None = None, pool: Pool | None = None
) -> AsyncIterator[PostgresJournal]:
    """A gateway's journal, with connections of its own."""
    pool = pool or Pool(url, size=3)
    journal = PostgresJournal(pool, limit_bytes=limit_bytes, tail=Tail(relay=relay, look_again_s=LOOK_AGAIN_S))
    async with AsyncExitStack() as stack:
        await pool.start()
        stack.push_async_callback(pool.stop)
        await journal.start()
        stack.push_async_callback(journal.stop)
        yield journal


@pytest.fixture
async def url(journals_url: str) -> str:
    pool = Pool(journals_url, size=1)
    await pool.start()
    for table_name in ("journal_subjects", "journal_chunks"):
        await pool.fetch(f"DELETE FROM {table_name}")
    await pool.stop()
    return journals_url


class TestPostgresJournal(JournalContract):
    @pytest.fixture
    async def journal(self, url: str) -> AsyncIterator[Journal]:
        async with opened(url) as journal:
            yield journal

    @pytest.fixture
    async def small_journal(self, url: str) -> AsyncIterator[Journal]:
        async with opened(url, limit_bytes=SMALL_BYTES) as journal:
            yield journal


class TestTwoGateways(JournalContract):
    """Written at one, read, followed, sealed and purged at the other."""

    @pytest.fixture
    async def journal(self, url: str) -> AsyncIterator[Journal]:
        relay = MemoryTailRelay()
        async with opened(url, relay=relay) as writing, opened(url, relay=relay) as reading:
            yield _joined(writing, reading)

    @pytest.fixture
    async def small_journal(self, url: str) -> AsyncIterator[Journal]:
        relay = MemoryTailRelay()
        async with (
            opened(url, relay=relay, limit_bytes=SMALL_BYTES) as writing,
            opened(url, relay=relay, limit_bytes=SMALL_BYTES) as reading,
        ):
            yield _joined(writing, reading)


def _joined(writing: PostgresJournal, reading: PostgresJournal) -> Journal:
    class Joined:
        append = staticmethod(writing.append)
        read = staticmethod(reading.read)
        follow = staticmethod(reading.follow)
        seal = staticmethod(reading.seal)
        stored = staticmethod(reading.stored)

        async def purge(self, subjects: Sequence[str]) -> None:
            await writing.purge(subjects)
            await reading.purge(subjects)

    return Joined()


@pytest.fixture(scope="module")
def table(journals_url: str) -> Iterator[tuple[asyncio.Runner, PostgresJournal]]:
    """One journal for all histories; each has subjects of its own."""
    with asyncio.Runner() as runner:
        store = PostgresStore(journals_url, clock=SystemClock())
        runner.run(store.start())
        journal = PostgresJournal(store.pool, limit_bytes=HISTORY_BYTES)
        runner.run(journal.start())
        yield runner, journal
        runner.run(journal.stop())
        runner.run(store.stop())


names = count()


@settings(max_examples=40, deadline=None)
@given(history=histories)
def test_every_history_has_the_same_answers(
    table: tuple[asyncio.Runner, PostgresJournal], history: list[Command]
) -> None:
    runner, journal = table
    expected = runner.run(play(MemoryJournal(limit_bytes=HISTORY_BYTES), history))
    assert runner.run(play(journal, history, name=f"history-{next(names)}-")) == expected


async def test_a_restart_keeps_numbers_sources_and_seals(url: str) -> None:
    """INV-L1, INV-L2: repeats after a restart are still repeats, and what was sealed stays so."""
    async with opened(url) as journal:
        await append(journal, lines("s", [1, 2, 3]), lines("s", [1], stream="stderr"), lines("t", [1]))
        assert await journal.seal("t") == 1
    async with opened(url) as journal:
        verdicts = await append(journal, lines("s", [2, 3, 4]), lines("t", [2]))
        assert verdicts == [Appended(4, 1, 5), Appended(2, 0, 0)]
        assert seqs(await everything(journal, "s")) == [1, 2, 3, 4, 5]
        assert seqs(await everything(journal, "t")) == [1]


async def test_gateways_that_write_to_the_same_subjects_give_each_number_once(url: str) -> None:
    """INV-L1: subjects named in any order, commits that overlap: no number twice, none left out, nobody stuck."""
    async with opened(url) as one, opened(url) as two, opened(url) as three:

        async def talk(journal: Journal, stream: str, subjects: list[str]) -> None:
            for number in range(1, 31):
                await journal.append([lines(subject, [number], stream=stream) for subject in subjects])

        await asyncio.gather(
            talk(one, "a", ["s", "t", "u"]), talk(two, "b", ["u", "t", "s"]), talk(three, "c", ["t", "u", "s"])
        )
        for subject in "stu":
            found = await everything(two, subject)
            assert seqs(found) == list(range(1, 91))
            for stream in "abc":
                said = [entry.text for entry in found if entry.stream == stream]
                assert said == [f"line {number}" for number in range(1, 31)]


@pytest.mark.parametrize("seed", range(3))
async def test_a_seal_at_one_gateway_stops_writers_at_another(url: str, seed: int) -> None:
    """The number that a seal gives is the last one for ever, at every gateway."""
    rng = Random(seed)
    async with opened(url) as one, opened(url) as two:
        for turn in range(8):
            subject = f"s{turn}"
            writing = [asyncio.ensure_future(append(one, lines(subject, [1], stream=str(n)))) for n in range(10)]
            await asyncio.sleep(rng.random() * 0.004)
            last_seq = await two.seal(subject)
            assert await append(one, lines(subject, [1], stream="late")) == [Appended(1, 0, 0)]
            await asyncio.gather(*writing)
            assert len(await everything(one, subject)) == await one.seal(subject) == last_seq


@pytest.mark.parametrize("lost_share", [0.0, 0.3])
async def test_readers_at_every_gateway_see_the_same(url: str, lost_share: float) -> None:
    """INV-L1: two gateways write one subject and readers join at both, over a relay that loses, repeats, reorders."""
    relay: TailRelay = MemoryTailRelay()
    if lost_share:
        relay = UnreliableRelay(relay, Random(7), lost_share=lost_share)
    joined = [asyncio.Event() for _ in range(9)]
    async with opened(url, relay=relay) as one, opened(url, relay=relay) as two:

        async def talk(journal: Journal, stream: str) -> None:
            for turn in range(25):
                await append(journal, lines("s", range(turn * 4 + 1, turn * 4 + 5), stream=stream))
                joined[turn // 3].set()

        async def listen(journal: Journal, turn: int) -> list[int]:
            await joined[turn].wait()
            return seqs(await followed(journal, "s", count=400))

        async with asyncio.timeout(30):
            readers = [asyncio.ensure_future(listen((one, two)[n % 2], n)) for n in range(8)]
            await asyncio.gather(*(talk(journal, f"{n}") for n, journal in enumerate((one, two, one, two))))
            for found in await asyncio.gather(*readers):
                assert found == list(range(1, 401))


async def test_a_page_stays_a_page_over_large_chunks(url: str) -> None:
    """INV-S4: chunks are cut, and a reader is given what it would be given of memory."""
    model = MemoryJournal()
    async with opened(url) as journal:
        for first in (1, 41, 81):
            batch = lines("s", range(first, first + 40), text="x" * 30_000)
            assert await append(journal, batch) == await append(model, batch)
        for after in (0, 3, 39, 77, 119, 120):
            found = await journal.read("s", after, limit=1000)
            assert found == await model.read("s", after, limit=1000)
            assert found.size_bytes <= PAGE_BYTES


class CutPool(Pool):
    """The server ends a writer's session at a chosen statement of its transaction: before it, or behind it."""

    cut_before = cut_behind = ""

    async def perform(self, work: Work[Any], *, patience_s: float | None = None) -> Any:
        async def watched(connection: Connection) -> Any:
            return await work(Cut(self, connection))

        return await super().perform(watched, patience_s=patience_s)

    async def cut(self, connection: Connection) -> None:
        pid = connection.get_server_pid()
        other = Pool(self.url, size=1)
        await other.start()
        await other.fetch("SELECT pg_terminate_backend($1, 5000)", pid)
        await other.stop()


class Cut:
    """A connection as `CutPool` hands it out."""

    def __init__(self, pool: CutPool, connection: Connection) -> None:
        self._pool, self._connection = pool, connection
        self.fetch = partial(self._said, connection.fetch)
        self.fetchval = partial(self._said, connection.fetchval)

    def transaction(self) -> Cut:
        self._transaction = self._connection.transaction()
        return self

    async def __aenter__(self) -> None:
        await self._transaction.start()

    async def __aexit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            await self._transaction.rollback()
            return
        await self._said(lambda _: self._transaction.commit(), "COMMIT")

    async def _said(self, say: Callable[..., Any], text: str, *arguments: object) -> Any:
        pool = self._pool
        if pool.cut_before and pool.cut_before in text:
            pool.cut_before = ""
            await pool.cut(self._connection)
        outcome = await say(text, *arguments)
        if pool.cut_behind and pool.cut_behind in text:
            pool.cut_behind = ""
            await pool.cut(self._connection)
            if text == "COMMIT":
                raise ConnectionResetError  # the answer was on its way
        return outcome


@pytest.mark.parametrize("place", ["before", "behind"])
@pytest.mark.parametrize("statement", ["INSERT INTO journal_subjects", "INSERT INTO journal_chunks", "COMMIT"])
async def test_f11_a_lost_connection_doubles_and_loses_nothing(url: str, statement: str, place: str) -> None:
    """What has no number of its sender's is written once too, and followers are told once."""
    pool = CutPool(url, size=3)
    async with opened(url, pool=pool) as journal:
        await append(journal, lines("s", [0], text="one"))
        following = asyncio.ensure_future(followed(journal, "s", count=4))
        await asyncio.sleep(0)
        setattr(pool, f"cut_{place}", statement)
        assert await append(journal, lines("s", [0, 0], text="two")) == [Appended(0, 2, 3)]
        assert (pool.cut_before, pool.cut_behind) == ("", "")
        await append(journal, lines("s", [0], text="three"))
        assert texts(await everything(journal, "s")) == ["one", "two", "two", "three"]
        assert seqs(await following) == [1, 2, 3, 4]


async def test_a_flood_is_told_to_come_later(url: str) -> None:
    """Back-pressure: what waits for the database is bounded, and what was refused may come again."""
    async with opened(url) as journal:
        batches = [lines("s", [1], stream=str(number), text="x" * 500_000) for number in range(150)]
        told = await asyncio.gather(*(append(journal, batch) for batch in batches), return_exceptions=True)
        refused = [batch for batch, one in zip(batches, told, strict=True) if isinstance(one, Unavailable)]
        assert 0 < len(refused) < 150
        for start in range(0, len(refused), 20):
            await asyncio.gather(*(append(journal, batch) for batch in refused[start : start + 20]))
        assert sum(1 for _ in await everything(journal, "s")) > 100


async def test_inv_s4_a_flood_of_logs_never_takes_the_connection_of_a_submit(journals_url: str) -> None:
    """Every connection that floods may have is busy, and more is asked for: runs are accepted all the same."""
    clock = ManualClock()
    store = PostgresStore(journals_url, clock=clock, pool_size=6)
    await store.start()
    stage = RunStage(ledger=store.ledger, book=store.book, clock=clock)

    async def busy(connection: Connection) -> None:
        await connection.execute("SELECT pg_sleep(60)")

    flood = [asyncio.ensure_future(store.floods.use(busy, patience_s=60.0)) for _ in range(12)]
    try:
        asleep = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'"
        async with asyncio.timeout(20):
            while True:
                if (await store.pool.fetch(asleep))[0][0] == store.floods.size:
                    break
                await asyncio.sleep(0.01)
            runs = await asyncio.gather(*(stage.added() for _ in range(30)))
        assert len({run.id for run in runs}) == 30
        assert (await store.pool.fetch(asleep))[0][0] == store.floods.size
        assert store.pool.size + store.floods.size == 6
    finally:
        for one in flood:
            one.cancel()
        await asyncio.wait(flood)
        await store.stop()
