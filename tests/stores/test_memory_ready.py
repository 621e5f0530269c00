"""The ready queue and the signals in memory hold their contracts; nobody starves in the queue (INV-T7)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskgate.runs.ports import QueuedRef, ReadyQueue, Signals
from taskgate.runs.task import QueueKey
from taskgate.stores.memory.ready import MAX_DRAINED, MemoryReadyQueue
from taskgate.stores.memory.signals import MemorySignals
from taskgate.testing.contracts.ready import A, ReadyQueueContract, SharedReadyQueueContract, ref, refs, timed
from taskgate.testing.contracts.signals import SharedSignalsContract, SignalsContract


class TestMemoryReadyQueue(ReadyQueueContract):
    @pytest.fixture
    def ready(self) -> ReadyQueue:
        return MemoryReadyQueue()


class TestSharedMemoryReadyQueue(SharedReadyQueueContract):
    @pytest.fixture
    def twins(self) -> tuple[ReadyQueue, ReadyQueue]:
        ready = MemoryReadyQueue()
        return ready, ready


class TestSharedMemorySignals(SharedSignalsContract):
    @pytest.fixture
    def twins(self) -> tuple[Signals, Signals]:
        signals = MemorySignals()
        return signals, signals


class TestMemorySignals(SignalsContract):
    @pytest.fixture
    def signals(self) -> Signals:
        return MemorySignals()


QUEUES = tuple(QueueKey(task=f"task-{number}") for number in range(4))
SITES = ("s0", "s1", "s2")
PATIENCE = 3 * (2 * 16 + 1) * len(QUEUES) * len(SITES)  # takes; a band with weight 1 beside eleven of weight 16, twice

offers = st.lists(
    st.builds(
        lambda queue, site, priority: ref(queue, site=site, priority=priority),
        st.sampled_from(QUEUES),
        st.sampled_from(SITES),
        st.integers(-2, 2),
    ),
    max_size=30,
)
workers = st.tuples(st.sets(st.sampled_from(QUEUES), min_size=1), st.sampled_from([None, None, *SITES]))
steps = st.lists(st.tuples(offers, workers, st.integers(1, 20)), max_size=25)


@settings(max_examples=150, deadline=None)
@given(history=steps, victim=offers.filter(lambda made: len(made) > 0), flooded=st.sampled_from(QUEUES))
def test_nobody_starves(
    history: Sequence[tuple[list[QueuedRef], tuple[set[QueueKey], str | None], int]],
    victim: list[QueuedRef],
    flooded: QueueKey,
) -> None:
    """INV-T7: after any history, under a flood that never ends, a waiting run is taken within a bound."""

    async def live() -> None:
        ready = MemoryReadyQueue()
        for offered, (queues, site_id), limit in history:
            await ready.offer(offered)
            await ready.take(sorted(queues), limit, site_id=site_id)
        await ready.take(QUEUES, 10_000)
        waiting = victim[0]
        await ready.offer([waiting])
        for _ in range(PATIENCE):
            flood = [(flooded, "s0", 2), (flooded, "s1", 2), (waiting.queue, "s0", 1), (waiting.queue, "s2", 0)]
            await ready.offer([ref(queue, site=site, priority=priority) for queue, site, priority in flood])
            if waiting in await ready.take(QUEUES, 1):
                return
        raise AssertionError(f"{waiting} was not taken in {PATIENCE} takes")

    asyncio.run(live())


@settings(max_examples=150, deadline=None)
@given(history=steps)
def test_every_run_leaves_exactly_once(
    history: Sequence[tuple[list[QueuedRef], tuple[set[QueueKey], str | None], int]],
) -> None:
    """What is in equals what is out, to the right workers only, each tenant's runs of a band in their order."""

    async def live() -> None:
        ready = MemoryReadyQueue()
        offered: list[QueuedRef] = []
        taken: list[QueuedRef] = []
        for made, (queues, site_id), limit in history:
            await ready.offer(made)
            offered += made
            got = await ready.take(sorted(queues), limit, site_id=site_id)
            assert all(one.queue in queues and site_id in (None, one.site_id) for one in got)
            fitting = [one for one in offered if one.queue in queues and site_id in (None, one.site_id)]
            assert len(got) == min(limit, len(set(fitting) - set(taken)))
            taken += got
            assert sum((await ready.depth()).values()) == len(offered) - len(taken)
        taken += await ready.take(QUEUES, 10_000)
        assert Counter(taken) == Counter(offered)
        for place in {(one.queue, one.site_id, (one.priority > 0) - (one.priority < 0)) for one in offered}:
            mine = [one for one in taken if place == (one.queue, one.site_id, (one.priority > 0) - (one.priority < 0))]
            assert mine == sorted(mine, key=lambda one: one.run_id)

    asyncio.run(live())


async def test_queues_that_drained_are_forgotten() -> None:
    """Names that were used once leave next to nothing behind, also beside a run that nobody takes."""
    ready = MemoryReadyQueue()
    for stuck in ([], refs(1, QueueKey(task="stuck"))):
        await ready.offer(stuck)
        for number in range(3 * MAX_DRAINED):
            queue = QueueKey(task=f"task-{number}")
            await ready.offer([ref(queue, priority=number % 3 - 1)])
            await ready.take([queue], 1)
        assert len(ready._queues) <= (MAX_DRAINED + 1 if stuck else 0)
    await ready.take([QueueKey(task="stuck")], 1)
    withdrawn = ref(QueueKey(task="other"))
    await ready.offer([withdrawn])
    await ready.withdraw(withdrawn.run_id)
    assert not ready._queues


async def test_a_hundred_of_a_hundred_thousand_within_a_millisecond() -> None:
    ready = MemoryReadyQueue()
    await ready.offer([*refs(50_000, A), *refs(50_000, A, site="other", priority=3)])
    assert min([await timed(ready, [A], limit=100) for _ in range(20)]) < 0.001
