"""Leases over time: who is away, who is kept, who is forgotten; nothing of it needs the store."""

from __future__ import annotations

import asyncio
import logging

import pytest

from taskgate.errors import NotFound
from tests.flows.routes.place import SERVICE, Place, settled


async def test_a_service_that_does_not_renew_is_away_and_comes_back(place: Place) -> None:
    await place.register("a", lease_s=30.0)
    await place.register("b", lease_s=0.0)
    await place.pass_time(29)
    assert place.registry.snapshot.away == frozenset()
    await place.pass_time(1)
    assert place.registry.snapshot.away == {"a"}
    assert [view.status for view in place.registry.standing.views(None)] == ["away", "up"]
    assert [one.name for one in place.registry.snapshot.services] == ["a", "b"]
    number = place.registry.snapshot.number
    assert place.registry.renew(SERVICE, "a").renew_after_s == 10.0
    assert place.registry.snapshot.away == frozenset()
    assert place.registry.snapshot.number == number + 1
    await place.pass_time(100)
    assert place.registry.snapshot.away == {"a"}


async def test_renewing_writes_nothing_and_needs_no_store(place: Place) -> None:
    """Renewals of a healthy service are no news either."""
    await place.register("a", lease_s=30.0)
    place.book.is_away = True
    heard = len(place.published)
    await place.pass_time(300, renewing=("a",))
    assert (place.book.write_count, len(place.published)) == (1, heard)
    assert place.registry.snapshot.away == frozenset()


async def test_a_service_expires_while_others_are_in_use(place: Place) -> None:
    """S35: snapshots that are in somebody's hands stay as they were."""
    await place.register("a", lease_s=30.0)
    await place.register("b", lease_s=0.0)
    in_use = place.registry.snapshot
    await place.pass_time(40)
    assert in_use.away == frozenset()
    assert in_use.services == place.registry.snapshot.services


async def test_many_at_once_stay_and_an_alarm_is_raised(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    names = tuple(f"s{n}" for n in range(10))
    for name in names:
        await place.register(name, lease_s=30.0)
    with caplog.at_level(logging.ERROR):
        await place.pass_time(60)
    assert place.registry.snapshot.away == frozenset()
    assert {view.status for view in place.registry.standing.views(None)} == {"kept"}
    assert [record.getMessage() for record in caplog.records] == [
        "10 of 10 leases lapsed at once: the last good set of services stays"
    ]
    await place.pass_time(12, renewing=names[:7])
    assert place.registry.snapshot.away == {"s7", "s8", "s9"}


async def test_a_restart_brings_everybody_back_under_a_fresh_lease(place: Place) -> None:
    await place.register("a", "POST /a", lease_s=30.0)
    await place.register("b", "POST /b", lease_s=0.0)
    await place.pass_time(29)
    again = Place(place.book)
    await again.registry.start()
    try:
        assert again.registry.snapshot.services == place.registry.snapshot.services
        assert again.published == [again.registry.snapshot]
        await again.pass_time(29)
        assert again.registry.snapshot.away == frozenset()
        await again.pass_time(1)
        assert again.registry.snapshot.away == {"a"}
        with pytest.raises(Exception, match="belongs to the service a"):
            await again.register("c", "POST /a")
    finally:
        await again.registry.stop()


async def test_who_is_away_for_a_day_is_forgotten() -> None:
    place = Place(forget_after_s=100.0)
    await place.register("a", lease_s=30.0)
    await place.register("b", lease_s=0.0)
    await place.pass_time(129)
    assert [one.name for one in place.registry.snapshot.services] == ["a", "b"]
    await place.pass_time(1)
    assert [one.name for one in place.registry.snapshot.services] == ["b"]
    assert [one.name for one in await place.book.load()] == ["b"]
    with pytest.raises(NotFound):
        place.registry.renew(SERVICE, "a")


async def test_forgetting_while_the_store_is_away_is_made_up_for() -> None:
    place = Place(forget_after_s=100.0)
    await place.register("a", lease_s=30.0)
    place.book.is_away = True
    place.clock.advance(200)
    with pytest.raises(Exception, match="does not answer"):
        await place.registry.sweep()
    assert place.registry.snapshot.services == ()
    place.book.is_away = False
    await place.registry.sweep()
    assert await place.book.load() == []


async def test_who_registers_again_meanwhile_is_not_taken_from_the_book() -> None:
    place = Place(forget_after_s=100.0)
    await place.register("a", lease_s=30.0)
    place.book.is_away = True
    place.clock.advance(200)
    with pytest.raises(Exception, match="does not answer"):
        await place.registry.sweep()
    place.book.is_away = False
    await place.register("a", lease_s=30.0)
    await place.registry.sweep()
    assert [one.name for one in await place.book.load()] == ["a"]


URL = "http://127.0.0.1:8082"


async def test_who_never_renews_stays_while_it_takes_connections(place: Place) -> None:
    """Seed 000 registers once, when it starts."""
    await place.register("a")
    place.world.there = {URL}
    heard = len(place.published)
    await place.pass_time(300)
    assert place.registry.snapshot.away == frozenset()
    assert len(place.published) == heard, "a service that stays is no news"
    assert 5 < len(place.world.asked) < 15, "asked once in a lease, not more"
    place.world.there = set()
    await place.pass_time(35)
    assert place.registry.snapshot.away == {"a"}
    place.world.there = {URL}
    await place.pass_time(11)
    assert place.registry.snapshot.away == frozenset(), "it cannot renew, so it is looked after"


async def test_who_has_renewed_is_held_to_its_lease(place: Place) -> None:
    await place.register("a")
    place.world.there = {URL}
    await place.pass_time(60, renewing=("a",))
    await place.pass_time(31)
    assert place.registry.snapshot.away == {"a"}
    assert not place.world.asked
    await place.register("a", "POST /other")
    await place.pass_time(100)
    assert place.registry.snapshot.away == frozenset(), "it began anew, and has not renewed since"


async def test_a_look_that_hangs_holds_up_nobody(place: Place) -> None:
    place.world.hold = asyncio.Event()
    for name in "abc":
        await place.register(name)
    await place.register("d", lease_s=60.0)
    await place.pass_time(40, renewing=("d",))
    assert place.registry.standing.leases["a"].until < place.clock.monotonic()
    assert len(place.world.asked) == 3, "all at once, each once at a time"
    place.world.there = {URL}
    place.registry.renew(SERVICE, "b")
    until = place.registry.standing.leases["b"]
    place.world.hold.set()
    await settled()
    assert {view.status for view in place.registry.standing.views(None)} == {"up"}
    assert place.registry.standing.leases["b"] is until, "who renewed meanwhile is not touched"


async def test_an_answer_for_what_was_replaced_counts_for_nothing(place: Place) -> None:
    place.world.hold, place.world.there = asyncio.Event(), {URL}
    await place.register("a", lease_s=30.0)
    await place.pass_time(28)
    await place.register("a", base_url="http://127.0.0.1:9999", lease_s=30.0)
    lease = place.registry.standing.leases["a"]
    place.world.hold.set()
    await settled()
    assert place.registry.standing.leases["a"] is lease
    await place.registry.withdraw(SERVICE, "a")
    assert place.registry.standing.leases == {}
