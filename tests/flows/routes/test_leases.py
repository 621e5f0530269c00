"""Leases over time: who is away, who is kept, who is forgotten; nothing of it needs the store."""

from __future__ import annotations

import logging

import pytest

from taskgate.errors import NotFound
from tests.flows.routes.place import SERVICE, Place


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
