"""`GET /v1/queues`: the numbers that scalers act on, and who may see which."""

from __future__ import annotations

from typing import Any

from taskgate.runs.ports import QueueStanding
from taskgate.runs.standings import KEEP_S, Standings
from taskgate.testing.clock import ManualClock
from tests.edge.http.house import House


async def queues(house: House, key: str, query: str = "") -> dict[str, Any]:
    reply = await house.ask("GET", f"/v1/queues{query}", key=key)
    assert reply.status == 200, reply.body
    return dict(reply.told)


async def submit(house: House, key: str, **body: Any) -> str:
    reply = await house.ask("POST", "/v1/tasks/demo.echo/runs", {"input": {"n": 1}, **body}, key=key)
    assert reply.status == 202, reply.body
    return str(reply.told["id"])


async def test_known_queues_have_explicit_zeros(house: House) -> None:
    told = await queues(house, await house.key("read"))
    assert [(row["name"], row["depth"], row["oldest_age_s"]) for row in told["queues"]] == [
        ("demo.echo", 0, 0.0),
        ("demo.free", 0, 0.0),
    ]
    assert told["totals"] == {"depth": 0, "scheduled": 0, "running": 0, "oldest_age_s": 0.0}


async def test_one_number_for_a_scaler(house: House) -> None:
    key = await house.key("read", "submit")
    for _ in range(3):
        await submit(house, key)
    await submit(house, key, delay_s=60)
    await submit(house, key, labels={"gpu": "a100"})
    told = await queues(house, key, "?task=demo.echo")
    assert told["totals"]["depth"] == 4
    assert told["totals"]["scheduled"] == 1
    assert told["totals"]["oldest_age_s"] >= 0
    assert (await queues(house, key, "?task=demo.free"))["totals"]["depth"] == 0
    named = await queues(house, key, "?queue=demo.echo")
    assert [row["name"] for row in named["queues"]] == ["demo.echo"]
    assert (await queues(house, key, "?queue=nobody.knows"))["queues"] == []


async def test_workers_and_their_room(house: House) -> None:
    key = await house.key("read", "submit")
    await house.worker("demo.echo", site="acme", credit=2, worker_id="ours")
    await house.worker("demo.echo", site="other", credit=5, worker_id="theirs")
    await submit(house, key)
    (row,) = (await queues(house, key, "?task=demo.echo"))["queues"]
    assert (row["running"], row["depth"], row["workers"], row["slots_free"]) == (1, 0, 1, 1)


async def test_sites_and_users_count_their_own(house: House) -> None:
    """INV-A1: nobody learns how busy another tenant is; an operator sees all of it."""
    mine, theirs = await house.key("read", "submit"), await house.key("read", "submit", site="other")
    bound = await house.key("read", "submit", user="u")
    await submit(house, mine)
    await submit(house, theirs)
    await submit(house, theirs)
    await submit(house, bound)
    assert (await queues(house, mine))["totals"]["depth"] == 2
    assert (await queues(house, theirs))["totals"]["depth"] == 2
    assert (await queues(house, bound))["totals"]["depth"] == 1
    operator = await house.key("admin", site="ops")
    assert (await queues(house, operator))["totals"]["depth"] == 4
    reply = await house.ask("GET", "/v1/queues", key=operator, headers=[("X-Site-Id", "other")])
    assert reply.told["totals"]["depth"] == 2


async def test_the_scope_is_asked(house: House) -> None:
    assert (await house.ask("GET", "/v1/queues", key=await house.key("submit"))).status == 403
    assert (await house.ask("GET", "/v1/queues")).status == 401
    assert (await house.ask("GET", "/v1/queues?tsak=x", key=await house.key("read"))).status == 422


class CountedCensus:
    """A census that is counted and can be broken."""

    def __init__(self) -> None:
        self.asked = 0
        self.failure: Exception | None = None

    async def standing(self, *, site_id: str | None = None, user_id: str = "") -> list[QueueStanding]:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return []


async def test_the_store_is_asked_seldom(house: House) -> None:
    """However many scrape: one reading every few seconds, and a failed one is not kept."""
    census, clock = CountedCensus(), ManualClock()
    standings = Standings(census, house.gateway.definitions, fleet=house.gateway.fleet, clock=clock)
    for _ in range(20):
        await standings.everywhere()
    assert census.asked == 1
    clock.advance(KEEP_S)
    await standings.everywhere()
    assert census.asked == 2
    clock.advance(KEEP_S)
    census.failure = RuntimeError("away")
    for _ in range(2):
        try:
            await standings.everywhere()
        except RuntimeError:
            continue
    assert census.asked == 4
