"""The contract of `ReadyQueue`: an index that may be thrown away, fair to bands, tenants and queues (INV-T7).

class TestMyReadyQueue(ReadyQueueContract):
    @pytest.fixture
    async def ready(self): ...
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from itertools import count

import pytest

from taskgate.runs.ports import QueuedRef, ReadyQueue
from taskgate.runs.task import QueueKey

PATIENCE_S = 20.0
A, B, C = (QueueKey(task=name) for name in "abc")
numbers = count(1)


def ref(queue: QueueKey = A, *, site: str = "site", priority: int = 0, run_id: str = "") -> QueuedRef:
    """A queued run; ids grow as they are made."""
    made = f"run-{next(numbers):08d}"
    return QueuedRef(run_id=run_id or made, queue=queue, site_id=site, priority=priority, created_at=1.0)


def refs(amount: int, queue: QueueKey = A, *, site: str = "site", priority: int = 0) -> list[QueuedRef]:
    """Some runs that are alike."""
    return [ref(queue, site=site, priority=priority) for _ in range(amount)]


def band(taken: QueuedRef) -> int:
    """-1, 0 or 1."""
    return (taken.priority > 0) - (taken.priority < 0)


class SharedReadyQueueContract:
    """Fixture: `twins`, the ready queues of two gateways on one index, empty."""

    async def test_f20_two_takers_never_get_the_same_run(self, twins: tuple[ReadyQueue, ReadyQueue]) -> None:
        """Each run leaves once, to one of them."""
        offered = [*refs(500, A, site="x"), *refs(500, A, site="y"), *refs(500, B), *refs(500, C, priority=1)]
        await asyncio.gather(twins[0].offer(offered[::2]), twins[1].offer(offered[1::2]))
        await twins[1].offer(offered)

        async def drained(ready: ReadyQueue) -> list[str]:
            taken: list[str] = []
            while found := await ready.take([A, B, C], 7):
                taken += [one.run_id for one in found]
                await asyncio.sleep(0)
            return taken

        one, other = await asyncio.gather(*map(drained, twins))
        assert one
        assert other
        assert sorted(one + other) == sorted(run.run_id for run in offered)

    async def test_both_gateways_see_one_index(self, twins: tuple[ReadyQueue, ReadyQueue]) -> None:
        one, other = twins
        offered = refs(3)
        await one.offer(offered)
        assert await other.depth() == {A: 3}
        await other.withdraw(offered[1].run_id)
        assert await one.take([A], 10) == [offered[0], offered[2]]

    async def test_listeners_of_the_other_gateway_hear_of_new_runs(self, twins: tuple[ReadyQueue, ReadyQueue]) -> None:
        one, other = twins
        signal = other.listen()
        heard: set[QueueKey] = set()
        await one.offer([*refs(2, A), *refs(1, B)])
        async with asyncio.timeout(PATIENCE_S):
            while heard != {A, B}:
                heard |= await signal.changed()
        signal.close()

    async def test_tenants_take_turns_at_both_gateways(self, twins: tuple[ReadyQueue, ReadyQueue]) -> None:
        await twins[0].offer([*refs(50, site="x"), *refs(50, site="y"), *refs(50, site="z")])
        taken = [(await twins[turn % 2].take([A], 1))[0].site_id for turn in range(90)]
        assert Counter(taken) == {"x": 30, "y": 30, "z": 30}


class ReadyQueueContract:
    """Fixture: `ready`, empty."""

    # ---------------------------------------------------------------- an index

    async def test_what_was_offered_is_taken_once(self, ready: ReadyQueue) -> None:
        offered = refs(5)
        await ready.offer(offered)
        assert await ready.depth() == {A: 5}
        assert await ready.take([A], 3) == offered[:3]
        assert await ready.take([A], 3) == offered[3:]
        assert await ready.take([A], 3) == []
        assert await ready.depth() == {}

    async def test_offering_again_changes_nothing(self, ready: ReadyQueue) -> None:
        """By run id: a run that is offered twice keeps its place and leaves once."""
        offered = refs(3)
        await ready.offer(offered)
        await ready.offer([offered[0], *offered])
        await ready.offer([ref(priority=0, run_id=offered[1].run_id)])
        assert [one.run_id for one in await ready.take([A], 10)] == [one.run_id for one in offered]
        await ready.offer(offered[:1])
        assert await ready.take([A], 10) == offered[:1]

    async def test_offering_it_elsewhere_moves_it(self, ready: ReadyQueue) -> None:
        """A run that went on to another target is not taken by those who served the first."""
        first = ref(A)
        moved = QueuedRef(run_id=first.run_id, queue=B, site_id="site", priority=1, created_at=1.0)
        await ready.offer([first])
        await ready.offer([moved])
        assert await ready.depth() == {B: 1}
        assert await ready.take([A], 1) == []
        assert await ready.take([B], 1) == [moved]

    async def test_a_withdrawn_run_is_gone(self, ready: ReadyQueue) -> None:
        offered = refs(3)
        await ready.offer(offered)
        await ready.withdraw(offered[1].run_id)
        await ready.withdraw(offered[1].run_id)
        await ready.withdraw("unknown")
        assert await ready.take([A], 10) == [offered[0], offered[2]]
        await ready.withdraw(offered[0].run_id)
        assert await ready.depth() == {}

    async def test_only_queues_that_were_asked_for(self, ready: ReadyQueue) -> None:
        pinned = QueueKey(task="a", version="2", labels=(("gpu", "1"),))
        await ready.offer([*refs(2, A), *refs(2, B), *refs(2, pinned)])
        assert [one.queue for one in await ready.take([pinned, C], 10)] == [pinned] * 2
        assert await ready.take([], 10) == []
        assert await ready.take([A], 0) == []
        assert await ready.depth() == {A: 2, B: 2}
        assert [one.queue for one in await ready.take([B, B, B], 10)] == [B, B]

    async def test_only_the_site_that_was_asked_for(self, ready: ReadyQueue) -> None:
        """INV-A1: a worker of one site is never given another's run."""
        mine, other = refs(3, site="mine"), refs(3, site="other")
        await ready.offer([*other, *mine])
        assert await ready.take([A], 10, site_id="mine") == mine
        assert await ready.take([A], 10, site_id="mine") == []
        assert await ready.take([A], 10, site_id="nobody") == []
        assert await ready.take([A], 10) == other

    # ---------------------------------------------------------------- fairness

    async def test_first_in_first_out(self, ready: ReadyQueue) -> None:
        """Within a tenant and a band; a larger number of the same band does not overtake."""
        offered = [ref(priority=priority) for priority in (1, 9, 5, 100, 2)]
        await ready.offer(offered)
        assert await ready.take([A], 5) == offered

    @pytest.mark.parametrize("size", [1, 7, 210])
    async def test_bands_are_served_1_4_16(self, ready: ReadyQueue, size: int) -> None:
        """Never strictly: the lowest band has its share however much stands above it."""
        await ready.offer([*refs(300, priority=5), *refs(300, priority=0), *refs(300, priority=-5)])
        taken: list[QueuedRef] = []
        while len(taken) < 210:
            taken += await ready.take([A], min(size, 210 - len(taken)))
        assert Counter(map(band, taken)) == {1: 160, 0: 40, -1: 10}
        assert {band(one) for one in taken[:21]} == {1, 0, -1}

    async def test_a_higher_band_comes_sooner(self, ready: ReadyQueue) -> None:
        await ready.offer([ref(priority=-1), ref(priority=0), ref(priority=1)])
        assert [one.priority for one in await ready.take([A], 3)] == [1, 0, -1]

    async def test_a_band_that_was_idle_owes_nothing(self, ready: ReadyQueue) -> None:
        """It neither catches up what it did not use nor pays for what others took meanwhile."""
        await ready.offer(refs(1000, priority=1))
        await ready.take([A], 500)
        await ready.offer(refs(500, priority=0))
        assert 15 <= Counter(map(band, await ready.take([A], 100)))[0] <= 25

    async def test_coming_and_going_gains_nothing(self, ready: ReadyQueue) -> None:
        """A low band with one run at a time is not served more often than one with many."""
        await ready.offer(refs(500, priority=1))
        served = 0
        for _ in range(210):
            if (await ready.depth())[A] < 501 - served:
                await ready.offer([ref(priority=-1)])
            taken = await ready.take([A], 1)
            served += band(taken[0]) == 1
        assert 190 <= served <= 205

    async def test_tenants_take_turns(self, ready: ReadyQueue) -> None:
        """INV-T7: a thousand runs of one tenant do not stand before the one of another."""
        await ready.offer(refs(1000, site="big"))
        await ready.offer([*refs(2, site="small"), *refs(1, site="tiny")])
        taken = [one.site_id for one in await ready.take([A], 6)]
        assert taken == ["big", "small", "tiny", "big", "small", "big"]

    async def test_turns_go_on_from_take_to_take(self, ready: ReadyQueue) -> None:
        await ready.offer([*refs(50, site="x"), *refs(50, site="y"), *refs(50, site="z")])
        taken = [(await ready.take([A], 1))[0].site_id for _ in range(90)]
        assert Counter(taken) == {"x": 30, "y": 30, "z": 30}

    async def test_equal_bands_of_several_queues_share(self, ready: ReadyQueue) -> None:
        await ready.offer([*refs(500, A), *refs(500, B), *refs(500, C, priority=1)])
        taken = [one for _ in range(60) for one in await ready.take([A, B, C], 3)]
        counts = Counter(one.queue for one in taken)
        assert abs(counts[A] - counts[B]) <= 1
        assert abs(counts[C] - 4 * counts[A]) <= 8

    async def test_a_queue_that_others_serve_does_not_starve(self, ready: ReadyQueue) -> None:
        """INV-T7: one queue was served 5,000 times by a fast worker, the other never; a new worker serves both."""
        await ready.offer([*refs(6000, A), *refs(1000, B)])
        await ready.take([A], 5000)
        counts = Counter(one.queue for one in await ready.take([A, B], 100))
        assert min(counts[A], counts[B]) >= 40

    # ---------------------------------------------------------------- news

    async def test_listeners_hear_of_new_runs(self, ready: ReadyQueue) -> None:
        early, both = ready.listen(), ready.listen()
        async with asyncio.timeout(PATIENCE_S):
            waiting = asyncio.ensure_future(early.changed())
            await asyncio.sleep(0)
            await ready.offer(refs(2, A))
            assert await waiting == {A}
            await ready.offer([*refs(1, B), *refs(1, C)])
            assert await early.changed() == {B, C}
            assert await both.changed() == {A, B, C}
        early.close()
        both.close()
        both.close()

    async def test_no_news_is_silence(self, ready: ReadyQueue) -> None:
        """Neither what was there already nor a take or a withdrawal wakes anybody."""
        offered = refs(2)
        await ready.offer(offered)
        signal = ready.listen()
        waiting = asyncio.ensure_future(signal.changed())
        await ready.offer(offered)
        await ready.offer([])
        await ready.take([A], 1)
        await ready.withdraw(offered[1].run_id)
        await asyncio.sleep(0)
        assert not waiting.done()
        await ready.offer([ref(B)])
        async with asyncio.timeout(PATIENCE_S):
            assert await waiting == {B}
        signal.close()

    # ---------------------------------------------------------------- size

    async def test_a_take_does_not_look_at_everything(self, ready: ReadyQueue) -> None:
        """100 of 100,000, over 300 queues: the best of forty takes stays far below what a scan would need."""
        queues = [QueueKey(task=f"task-{number}") for number in range(300)]
        await ready.offer([ref(queues[number % 300], site=f"site-{number % 7}") for number in range(100_000)])
        spent_s = min([await timed(ready, queues, limit=100) for _ in range(40)])
        assert spent_s < 0.01, f"{spent_s * 1e3:.2f} ms"


async def timed(ready: ReadyQueue, queues: Sequence[QueueKey], *, limit: int) -> float:
    """Seconds that one take needs."""
    begun = time.perf_counter()
    assert len(await ready.take(queues, limit)) == limit
    return time.perf_counter() - begun
