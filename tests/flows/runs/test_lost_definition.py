"""A catalogue that lost a definition costs the runs that stand under it, and nothing else."""

from __future__ import annotations

from typing import Any

from taskgate.runs.run import Run, Status
from taskgate.runs.task import TaskDefinition
from tests.flows.runs.house import ADMIN, House


def forget(house: House, run: Run, monkeypatch: Any) -> None:
    """Lose the run's definition, in memory and in the catalogue."""
    house.gateway.definitions.digests._met.pop(run.definition, None)
    find = house.gateway.stores.catalogue.find

    async def lost(digest: str) -> TaskDefinition | None:
        return None if digest == run.definition else await find(digest)

    monkeypatch.setattr(house.gateway.stores.catalogue, "find", lost)


async def test_a_leased_run_without_a_definition_fails_alone(house: House, monkeypatch: Any) -> None:
    await house.define("other")
    crew = await house.crew("w1", "work", "other", credit=2)
    lost, fine = await house.submit("work"), await house.submit("other")
    forget(house, lost, monkeypatch)
    for offer in crew.offers:
        crew.begin(offer)
    await crew.fail(crew.offers[0], retryable=False)
    await crew.finish(crew.offers[1], "good")
    assert (await house.run(fine)).output == b'"good"'
    ended = await house.run(lost)
    assert ended.status is Status.FAILED
    assert ended.error is not None
    assert ended.error.code == "DEFINITION_LOST"
    assert ended.current is not None
    assert ended.current.error == ended.error


async def test_an_answer_counts_although_the_definition_is_lost(house: House, monkeypatch: Any) -> None:
    crew = await house.crew("w1", "work")
    run = await house.submit("work")
    forget(house, run, monkeypatch)
    await crew.finish(crew.offers[0], "good")
    assert (await house.run(run)).output == b'"good"'


async def test_a_queued_run_without_a_definition_is_given_to_nobody_and_fails(house: House, monkeypatch: Any) -> None:
    run = await house.submit("work")
    forget(house, run, monkeypatch)
    crew = await house.crew("w1", "work", credit=3)
    book: Any = house.gateway.stores.book
    await house.until(lambda: book._runs.by_id[run.id].lease is not None)
    house.clock.advance(5.1)
    assert await house.gateway.moves.janitor.sweep() == 1
    ended = await house.run(run)
    assert (ended.status, ended.error.code if ended.error else "") == (Status.FAILED, "DEFINITION_LOST")
    assert not crew.offers
    assert crew.holder.free == 3
    assert house.gateway.life.ailment() is None


async def test_a_worker_that_comes_back_with_such_a_run_is_welcome(house: House, monkeypatch: Any) -> None:
    crew = await house.crew("w1", "work")
    run = await house.submit("work")
    forget(house, run, monkeypatch)
    held = house.gateway.moves.leases.of_run(run.id)
    assert held is not None
    house.gateway.moves.leases.drop(held)
    assert await house.gateway.moves.leasing.adopt(crew.holder, [held.receipt]) == []
    await crew.finish(crew.offers[0], "good")
    assert (await house.gateway.desk.get(ADMIN, run.id)).status is Status.SUCCEEDED
