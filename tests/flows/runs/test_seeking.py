"""Finding a worker for a run: the whole fleet is never looked at, and the short way opens again (INV-T7)."""

from __future__ import annotations

from collections.abc import Sequence

from taskgate.runs.ports import QueuedRef
from taskgate.runs.run import Status
from taskgate.runs.task import QueueKey
from tests.flows.runs.house import OTHER, Crew, House


async def test_a_queue_that_a_site_worker_has_emptied_is_no_longer_behind(house: House) -> None:
    """Its later runs get their lease in the accepting commit again, not by a second one."""
    first = await house.submit("work", by=OTHER)
    assert first.status is Status.QUEUED
    crew = await house.crew("w1", "work", credit=5, site_id="other")
    await house.until(lambda: crew.offers)
    await house.until(lambda: not house.gateway.moves.matcher.backlog)
    second = await house.submit("work", by=OTHER)
    assert second.status is Status.RUNNING


async def test_a_site_worker_does_not_hide_what_waits_for_others(house: House) -> None:
    await house.submit("work")
    own = await house.submit("work", by=OTHER)
    crew = await house.crew("w1", "work", credit=5, site_id="other")
    await house.until(lambda: crew.offers)
    assert [offer.run_id for offer in crew.offers] == [own.id]
    everyone = await house.crew("w2", "work", credit=5)
    await house.until(lambda: everyone.offers)


async def test_a_stuck_queue_makes_nobody_look_at_the_whole_fleet(house: House) -> None:
    """One run that nobody can take must not cost every result a walk through thousands of idle workers."""
    await house.define("stuck")
    await house.submit("stuck")
    for number in range(50):
        await house.crew(f"w{number}", "work", credit=1)
    looked: list[str] = []
    find = house.gateway.fleet.find

    def counted(worker_id: str) -> object:
        looked.append(worker_id)
        return find(worker_id)

    house.gateway.fleet.find = counted  # type: ignore[method-assign,assignment]
    assert await house.gateway.moves.dispatcher._round() is False
    assert looked == []


async def test_a_worker_that_had_no_credit_is_found_again_when_it_has(house: House) -> None:
    crew = await house.crew("w1", "work", credit=1)
    runs = [await house.submit("work") for _ in range(3)]
    for number in range(3):
        await house.until(lambda number=number: len(crew.offers) == number + 1)  # type: ignore[misc]
        await crew.finish(crew.offers[number])
    assert [offer.run_id for offer in crew.offers] == [run.id for run in runs]


async def test_the_ready_queue_is_asked_once_for_a_whole_fleet(house: House) -> None:
    """What waits for many workers of one kind is taken in one step, and one run does not cost a step for each."""
    await house.define("work")
    runs = [await house.submit("work") for _ in range(3)]
    dispatcher = house.gateway.moves.dispatcher
    take, limits = dispatcher._ready.take, list[int]()

    async def counted(queues: Sequence[QueueKey], limit: int, *, site_id: str | None = None) -> list[QueuedRef]:
        limits.append(limit)
        return await take(queues, limit, site_id=site_id)

    dispatcher._ready.take = counted  # type: ignore[method-assign]
    crews = [Crew(house, f"w{number}", tasks=("work",), credit=2) for number in range(8)]
    for crew in crews:
        await house.gateway.fleet.join(crew.holder)
    dispatcher.wake()
    await house.until(lambda: sum(len(crew.offers) for crew in crews) == len(runs))
    await house.until(lambda: not house.gateway.moves.matcher.backlog)
    assert limits[:1] == [16]
    assert len(limits) == 1
    assert max(len(crew.offers) for crew in crews) <= 2
