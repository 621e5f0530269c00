"""Which gateways there are: each lists all that live, with what they lead and how many workers are linked to them."""

from __future__ import annotations

from dataclasses import replace

from taskgate import __version__
from taskgate.errors import Unavailable
from taskgate.fleet.gateways import GatewayView
from taskgate.fleet.neighbours import KEEP_S, POST_S
from taskgate.stores.memory.board import MemoryBoard
from taskgate.testing.clock import ManualClock
from tests.flows.gateways.pair import Neighbour, shared_stores
from tests.flows.gateways.test_workers import Pair, arrives


class Away(MemoryBoard):
    """A board that can be away."""

    is_away = False

    async def read(self) -> dict[str, bytes]:
        if self.is_away:
            raise Unavailable("the board is away")
        return await super().read()


async def seen_by(house: Neighbour) -> dict[str, GatewayView]:
    return {view.id: view for view in await house.gateway.watch.gateways.all()}


async def test_both_are_listed_at_either(pair: Pair) -> None:
    one, two = pair
    crew = await arrives(two, "w1", "work", slots=2)
    await arrives(two, "w2", "work")
    crew.holder.held["some-run"] = 1
    two.gateway.intake.leaving = True
    for house in pair:
        await house.neighbours.turn()
    mine, theirs = one.neighbours.me.name, two.neighbours.me.name
    for house, here in ((one, mine), (two, theirs)):
        views = await seen_by(house)
        assert {name: (view.workers, view.running, view.leaving, view.here) for name, view in views.items()} == {
            mine: (0, 0, False, here == mine),
            theirs: (2, 1, True, here == theirs),
        }
        assert {view.version for view in views.values()} == {__version__}
        assert all(view.host and view.started_at == one.clock.now() for view in views.values())


async def test_who_leads_is_told_and_a_term_that_ran_out_is_not(pair: Pair) -> None:
    one, two = pair
    await one.gateway.moves.janitor.lead()
    await two.gateway.moves.janitor.lead()
    await one.neighbours.turn()
    views = await seen_by(two)
    assert "janitor" in views[one.neighbours.me.name].leads
    assert "root secret" not in views[one.neighbours.me.name].leads  # all gateways have it: it is no duty
    assert "janitor" not in views[two.neighbours.me.name].leads
    numbers = one.gateway.watch.metrics._sources.numbers
    numbers.led_until["janitor"] = 0.0  # the store is away since long ago
    assert "janitor" not in (await seen_by(one))[one.neighbours.me.name].leads


async def test_one_that_died_is_forgotten_and_one_that_ends_at_once(pair: Pair) -> None:
    one, two = pair
    await two.neighbours.tasks.close()  # it says nothing more
    one.clock.advance(KEEP_S + 0.1)
    assert list(await seen_by(one)) == [one.neighbours.me.name]
    await two.neighbours.turn()
    assert len(await seen_by(one)) == 2
    await two.neighbours.stop()
    assert len(await seen_by(one)) == 1


async def test_a_list_that_may_not_be_whole_says_so() -> None:
    clock = ManualClock()
    board = Away(clock)
    stores = shared_stores(clock, board=board)
    one, two = Neighbour(stores, clock), Neighbour(stores, clock)
    for house in (one, two):
        await house.gateway.start()
    gateways = one.gateway.watch.gateways
    assert (len(await gateways.all()), gateways.is_complete) == (2, True)
    board.is_away = True
    clock.advance(2.5 * POST_S)
    assert (len(await gateways.all()), gateways.is_complete) == (2, False)  # what was heard last
    clock.advance(KEEP_S)
    assert (len(await gateways.all()), gateways.is_complete) == (1, False)
    board.is_away = False
    await two.neighbours.turn()
    assert (len(await gateways.all()), gateways.is_complete) == (2, True)
    for house in (two, one):
        await house.gateway.stop()


async def test_words_of_another_version_hide_nobody(pair: Pair) -> None:
    one, two = pair
    for said in ({}, {"host": 7}):
        two.neighbours.more["gateway"] = lambda said=said: said  # type: ignore[misc]
        await two.neighbours.turn()
        view = (await seen_by(one))[two.neighbours.me.name]
        assert (view.host, view.leads, view.version) == ("", (), __version__)


async def test_a_gateway_alone_lists_itself() -> None:
    clock = ManualClock()
    stores = replace(shared_stores(clock), is_shared=False)
    house = Neighbour(stores, clock)
    await house.gateway.start()
    gateways = house.gateway.watch.gateways
    (view,) = await gateways.all()
    assert (view.here, view.version, view.workers, gateways.is_complete) == (True, __version__, 0, True)
    await house.gateway.stop()
