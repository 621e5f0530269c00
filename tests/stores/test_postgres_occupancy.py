"""One gateway alone on a database, or several that hear each other: never one of each, never two that are deaf."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from taskgate.errors import StoreError
from taskgate.stores.postgres.occupancy import Occupancy
from tests.servers.postgres import Postgres

LONG_S = 30.0


@asynccontextmanager
async def standing(url: str, *, is_alone: bool, ghost_s: float = LONG_S) -> AsyncIterator[Occupancy]:
    claim = Occupancy(url, is_alone=is_alone, handover_s=0.0, ghost_s=ghost_s)
    await claim.start()
    try:
        yield claim
    finally:
        await claim.stop()


async def cut(postgres: Postgres, url: str) -> None:
    """End the sessions that have a claim on the database, as a restart does; who is just asking for one goes on."""
    name = url.rpartition("/")[2]
    text = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        f"WHERE datname = '{name}' AND application_name = 'taskgate claim' "
        "AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted)"
    )
    await asyncio.to_thread(postgres.query, text)


@pytest.mark.parametrize(("first", "second"), [(True, True), (True, False), (False, True)])
async def test_who_is_alone_stays_alone(postgres_url: str, first: bool, second: bool) -> None:
    async with standing(postgres_url, is_alone=first):
        with pytest.raises(StoreError, match=r"redis\.url") as caught:
            async with standing(postgres_url, is_alone=second):
                pass
    assert caught.value.code == "STORE_IN_USE"
    async with standing(postgres_url, is_alone=second):
        pass


async def test_those_who_hear_each_other_stand_together(postgres_url: str) -> None:
    async with standing(postgres_url, is_alone=False), standing(postgres_url, is_alone=False):
        pass


async def test_a_claim_that_was_cut_off_is_taken_again(postgres: Postgres, postgres_url: str) -> None:
    async with standing(postgres_url, is_alone=True) as claim:
        await cut(postgres, postgres_url)
        async with asyncio.timeout(LONG_S):
            while claim.ailment is None:
                try:
                    async with standing(postgres_url, is_alone=True):
                        await asyncio.sleep(0.01)  # we were quicker: leave it to the one that was cut
                except StoreError:
                    break
        assert claim.ailment is None


async def test_a_gateway_whose_place_was_taken_ends(postgres: Postgres, postgres_url: str) -> None:
    async with standing(postgres_url, is_alone=True, ghost_s=0.0) as claim:
        asker = Occupancy(postgres_url, is_alone=True, handover_s=LONG_S)
        waiting = asyncio.ensure_future(asker.start())
        async with asyncio.timeout(LONG_S):
            while claim.ailment is None:
                await cut(postgres, postgres_url)
                await asyncio.sleep(0.05)
        assert isinstance(claim.ailment, StoreError)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asker.stop()
