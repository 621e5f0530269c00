"""While one claim is written the next runs are taken: two commits under way, sent in the order of taking, none lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from taskgate.errors import Unavailable
from taskgate.runs import dispatcher as dispatcher_module
from taskgate.runs.ports import Claim
from taskgate.runs.run import Run
from tests.flows.runs.house import House

LIMIT = 4  # runs of one take, in place of 256


class Gate:
    """Keeps claims from the ledger until they are let through, each by its number."""

    def __init__(self, house: House) -> None:
        self.asked: list[list[str]] = []
        self.doors: list[asyncio.Future[None]] = []
        self._claim: Callable[[Sequence[Claim]], object] = house.gateway.stores.ledger.claim
        self._house = house

    async def claim(self, claims: Sequence[Claim]) -> list[Run | None]:
        self.asked.append([claim.run_id for claim in claims])
        self.doors.append(asyncio.get_running_loop().create_future())
        self._house.news.set()
        await self.doors[-1]
        return await self._claim(claims)  # type: ignore[no-any-return, misc]


@asynccontextmanager
async def waiting(house: House, monkeypatch: pytest.MonkeyPatch, count: int) -> AsyncIterator[tuple[Gate, list[str]]]:
    """So many runs wait, and the ledger's claims wait at a gate."""
    monkeypatch.setattr(dispatcher_module, "TAKE_LIMIT", LIMIT)
    gate = Gate(house)
    await house.define("t")
    runs = [(await house.submit("t", number)).id for number in range(count)]
    monkeypatch.setattr(house.gateway.stores.ledger, "claim", gate.claim)
    try:
        yield gate, runs
    finally:
        for door in gate.doors:
            if not door.done():
                door.set_result(None)


async def test_two_claims_are_under_way_and_a_third_waits(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async with waiting(house, monkeypatch, 3 * LIMIT) as (gate, runs):
        crew = await house.crew("w1", "t", credit=3 * LIMIT, slots=3 * LIMIT)
        await house.until(lambda: len(gate.asked) == 2)
        for _ in range(20):
            await asyncio.sleep(0)
        assert gate.asked == [runs[:LIMIT], runs[LIMIT : 2 * LIMIT]]
        gate.doors[0].set_result(None)
        await house.until(lambda: len(gate.asked) == 3)
        assert [offer.run_id for offer in crew.offers] == runs[:LIMIT]


async def test_what_was_taken_first_is_sent_first(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async with waiting(house, monkeypatch, 2 * LIMIT) as (gate, runs):
        crew = await house.crew("w1", "t", credit=2 * LIMIT, slots=2 * LIMIT)
        await house.until(lambda: len(gate.asked) == 2)
        gate.doors[1].set_result(None)
        for _ in range(20):
            await asyncio.sleep(0)
        assert crew.offers == []
        gate.doors[0].set_result(None)
        await house.until(lambda: len(crew.offers) == 2 * LIMIT)
        assert [offer.run_id for offer in crew.offers] == runs


async def test_inv_t1_a_claim_that_fails_gives_its_runs_back_and_the_other_goes_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with waiting(house, monkeypatch, 2 * LIMIT) as (gate, runs):
        crew = await house.crew("w1", "t", credit=2 * LIMIT, slots=2 * LIMIT)
        await house.until(lambda: len(gate.asked) == 2)
        gate.doors[0].set_exception(Unavailable("PostgreSQL is away"))
        gate.doors[1].set_result(None)
        await house.until(lambda: len(crew.offers) == LIMIT)
        assert [offer.run_id for offer in crew.offers] == runs[LIMIT:]
        await house.until(lambda: len(gate.asked) >= 3)
        gate.doors[2].set_result(None)
        await house.until(lambda: len(crew.offers) == 2 * LIMIT)
        assert sorted(offer.run_id for offer in crew.offers) == sorted(runs)
        assert crew.holder.free == 0
