"""A service is registered, renewed and withdrawn at any gateway, and stands, or is away, at all of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from taskgate.errors import Conflict, Unavailable
from taskgate.routes.registration import Registration, WantedRoute
from taskgate.routes.sharing import TURN_S
from taskgate.runs.ports import GAP
from tests.flows.gateways.pair import Neighbour, eventually
from tests.flows.runs.house import ADMIN

Pair = tuple[Neighbour, Neighbour]


def asked(name: str, path: str = "/v1/things", **options: Any) -> Registration:
    routes = (WantedRoute(name="things", method="GET", gateway_path=path),)
    return Registration(name=name, base_url="http://127.0.0.1:9/", routes=routes, lease_s=10.0, **options)


def standing(house: Neighbour) -> dict[str, str]:
    return {view.service.name: view.status for view in house.gateway.registry.standing.views(None)}


async def test_a_registration_a_change_and_a_withdrawal_reach_the_other(pair: Pair) -> None:
    here, there = pair
    await here.gateway.registry.register(ADMIN, asked("shop"))
    await eventually(lambda: standing(there) == {"shop": "up"})
    await there.gateway.registry.register(ADMIN, asked("shop", path="/v1/others"))
    await eventually(lambda: _paths(here) == ["/v1/others"])
    await here.gateway.registry.withdraw(ADMIN, "shop")
    await eventually(lambda: standing(there) == {})


def _paths(house: Neighbour) -> list[str]:
    return [route.path for service in house.gateway.registry.snapshot.services for route in service.routes]


async def test_inv_p3_of_two_that_want_one_path_at_once_one_gets_it_everywhere(pair: Pair) -> None:
    here, there = pair
    told = await asyncio.gather(
        here.gateway.registry.register(ADMIN, asked("one")),
        there.gateway.registry.register(ADMIN, asked("two")),
        return_exceptions=True,
    )
    assert sorted(type(answer).__name__ for answer in told) == ["Conflict", "Registered"]
    winner = {"one", "two"} - {
        name for name, answer in zip(("one", "two"), told, strict=True) if isinstance(answer, Conflict)
    }
    await eventually(lambda: set(standing(here)) == set(standing(there)) == winner)


async def test_inv_f5_a_gateway_that_stood_still_in_its_turn_writes_nothing_afterwards(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has judged, and is paused before it writes for longer than its turn; the other registers the same path."""
    here, there = pair
    book = here.gateway.stores.services
    real, has_judged, goes_on = book.save, asyncio.Event(), asyncio.Event()

    async def paused(service: Any, **options: Any) -> None:
        if service.name == "slow":
            has_judged.set()
            await goes_on.wait()
        await real(service, **options)

    monkeypatch.setattr(book, "save", paused)
    slow = asyncio.create_task(here.gateway.registry.register(ADMIN, asked("slow")))
    await has_judged.wait()
    here.clock.advance(TURN_S + 1.0)
    await there.gateway.registry.register(ADMIN, asked("quick"))
    goes_on.set()
    with pytest.raises(Unavailable, match=r"TURN_LOST|STORE_SLOW"):
        await slow
    await eventually(lambda: set(standing(here)) == set(standing(there)) == {"quick"})
    assert [service.name for service in await book.load()] == ["quick"]
    with pytest.raises(Conflict):
        await here.gateway.registry.register(ADMIN, asked("slow"))


async def test_a_lease_that_is_renewed_at_one_counts_at_the_other(pair: Pair) -> None:
    here, there = pair
    await here.gateway.registry.register(ADMIN, asked("shop"))
    await eventually(lambda: standing(there))
    for _ in range(3):
        here.clock.advance(8.0)
        there.gateway.registry.renew(ADMIN, "shop")
        await eventually(lambda: here.gateway.registry.standing.leases["shop"].until > here.clock.monotonic() + 9)
        await swept(pair)
        assert standing(here) == standing(there) == {"shop": "up"}
    here.clock.advance(10.1)
    await swept(pair)
    assert standing(here) == standing(there) == {"shop": "away"}


async def test_a_renewal_whose_news_were_lost_counts_by_the_board(pair: Pair) -> None:
    here, there = pair
    await here.gateway.registry.register(ADMIN, asked("shop"))
    await eventually(lambda: standing(there))
    here.clock.advance(8.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(there.gateway.stores.signals, "publish", unheard)
        there.gateway.registry.renew(ADMIN, "shop")
        await asyncio.sleep(0.01)
    here.clock.advance(3.0)
    await swept(pair)
    assert standing(here) == standing(there) == {"shop": "up"}


async def test_nobody_is_judged_while_the_others_cannot_be_heard(pair: Pair) -> None:
    """The service may be renewing at the other gateway."""
    here, there = pair
    await here.gateway.registry.register(ADMIN, asked("shop"))
    await eventually(lambda: standing(there))
    here.clock.advance(60.0)
    await here.gateway.registry.sweep()
    assert standing(here) == {"shop": "up"}
    await swept(pair)
    assert standing(here) == {"shop": "away"}


async def test_a_change_whose_news_were_lost_is_found_by_a_gap(pair: Pair) -> None:
    here, there = pair
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(there.gateway.stores.signals, "publish", unheard)
        await here.gateway.registry.register(ADMIN, asked("shop"))
        await asyncio.sleep(0.01)
    assert standing(there) == {}
    await there.gateway.stores.signals.publish("services", GAP)
    await eventually(lambda: standing(there) == {"shop": "up"})


async def swept(pair: Pair) -> None:
    """Both have said and read everything, twice for what one had to learn first, and look at the leases."""
    for house in (*pair, *pair):
        await house.neighbours.turn()
    for house in pair:
        await house.gateway.registry.sweep()


async def unheard(topic: str, payload: bytes) -> None:
    """News that nobody gets."""
