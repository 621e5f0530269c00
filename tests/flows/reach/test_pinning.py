"""Pinning: every address of a name is judged, what was judged is handed out, and the resolver is not flooded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from taskgate.errors import Forbidden, Unavailable
from taskgate.reach.judging import rules_from
from taskgate.reach.pinning import KEPT_S, Reach, is_address_here, resolve
from taskgate.testing.clock import ManualClock

PUBLIC = "203.0.114.7"
OPEN = rules_from(["auto", "10.0.0.0/8"], is_local=True, own_ports=[30090])


class Names:
    """A resolver whose answers are set by hand."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[str, ...]] = {}
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def resolve(self, name: str) -> tuple[str, ...]:
        self.asked.append(name)
        await self.gate.wait()
        if name not in self.answers:
            raise OSError("no such name")
        return self.answers[name]


class Place:
    def __init__(self, *, deadline_s: float = 5.0, closed: tuple[tuple[str, int], ...] = ()) -> None:
        self.names, self.clock = Names(), ManualClock()
        self.reach = Reach(
            OPEN, clock=self.clock, resolve=self.names.resolve, deadline_s=deadline_s, closed=closed,
            is_here=lambda text: text in ("127.0.0.1", "10.0.0.1"),
        )  # fmt: skip

    async def pin(self, host: str, port: int = 443, *, scheme: str = "https") -> tuple[str, ...]:
        return await self.reach.pin(host, port, scheme=scheme, site_id="acme")

    async def refuses(self, host: str, port: int = 443) -> str:
        with pytest.raises(Forbidden) as caught:
            await self.pin(host, port)
        assert (caught.value.code, caught.value.extra) == ("ADDRESS_FORBIDDEN", {"host": host})
        return caught.value.detail


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    made = Place(closed=(("db.internal", 7777), ("10.9.9.9", 8888)))
    yield made
    await made.reach.stop()


async def test_the_judged_addresses_in_their_order(place: Place) -> None:
    place.names.answers["a"] = (PUBLIC, "2606:4700::1", "10.0.0.2", PUBLIC, "::ffff:10.0.0.3")
    assert await place.pin("a") == (PUBLIC, "2606:4700::1", "10.0.0.2", "10.0.0.3")


async def test_one_bad_address_refuses_the_name(place: Place) -> None:
    """And the refusal tells nothing of where the name leads."""
    place.names.answers["a"] = (PUBLIC, "192.168.7.7")
    assert "192.168.7.7" not in await place.refuses("a")
    place.names.answers["b"] = ("not an address",)
    await place.refuses("b")


async def test_an_address_needs_no_resolver(place: Place) -> None:
    assert await place.pin("10.1.2.3", 8000, scheme="http") == ("10.1.2.3",)
    assert await place.pin("::1", 8000, scheme="http") == ("::1",)
    assert place.names.asked == []


async def test_an_answer_is_kept_for_some_seconds_and_for_its_port_alone(place: Place) -> None:
    place.names.answers["a"] = ("10.0.0.2",)
    assert [await place.pin("a") for _ in range(3)] == [("10.0.0.2",)] * 3
    assert len(place.names.asked) == 1
    await place.refuses("a", 22)
    place.names.answers["a"] = ("10.0.0.3",)
    place.clock.advance(KEPT_S)
    assert await place.pin("a") == ("10.0.0.3",)
    place.names.answers["a"] = ("192.168.0.1",)
    place.clock.advance(KEPT_S)
    await place.refuses("a")


async def test_many_that_ask_at_once_cost_one_look_up(place: Place) -> None:
    """One that is cancelled takes nothing from the others."""
    place.names.answers["a"] = ("10.0.0.2",)
    place.names.gate.clear()
    asking = [asyncio.create_task(place.pin("a")) for _ in range(50)]
    await asyncio.sleep(0)
    asking[0].cancel()
    place.names.gate.set()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1:] == [("10.0.0.2",)] * 49
    assert len(place.names.asked) == 1


async def test_a_name_without_an_address(place: Place) -> None:
    """It is asked for again with the next call: a service may be starting."""
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            await place.pin("nowhere")
        assert caught.value.code == "NAME_NOT_RESOLVED"
    assert len(place.names.asked) == 2
    place.names.answers["empty"] = ()
    with pytest.raises(Unavailable):
        await place.pin("empty")


async def test_a_resolver_that_hangs_is_not_waited_for() -> None:
    place = Place(deadline_s=0.05)
    place.names.gate.clear()
    with pytest.raises(Unavailable):
        await place.pin("slow")
    await place.reach.stop()


async def test_our_own_ports_and_stores_are_never_reached(place: Place) -> None:
    place.names.answers |= {"db.internal": ("10.5.5.5",), "innocent": ("10.5.5.5",), "self": ("10.0.0.1",)}
    await place.refuses("self", 30090)
    assert await place.pin("self", 30091) == ("10.0.0.1",)
    place.reach.shut(30091)
    await place.refuses("self", 30091)
    await place.refuses("127.0.0.1", 30090)
    assert await place.pin("10.0.0.2", 30090) == ("10.0.0.2",)
    await place.refuses("10.9.9.9", 8888)
    await place.refuses("innocent", 7777)
    assert await place.pin("innocent", 8888) == ("10.5.5.5",)
    place.names.answers.pop("db.internal")
    with pytest.raises(Unavailable) as caught:
        await place.pin("innocent", 7777)
    assert "db.internal" not in caught.value.detail


async def test_other_rules_count_at_once(place: Place) -> None:
    place.names.answers["a"] = ("10.0.0.2",)
    await place.pin("a")
    place.reach.judge_anew(rules_from([], is_local=False))
    await place.refuses("a")


async def test_rules_that_change_during_a_look_up_leave_nothing_behind(place: Place) -> None:
    place.names.answers["a"] = ("10.0.0.2",)
    place.names.gate.clear()
    asking = asyncio.create_task(place.pin("a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    place.reach.judge_anew(rules_from([], is_local=False))
    place.names.gate.set()
    await asking
    await place.refuses("a")


async def test_the_machines_own_resolver_and_addresses() -> None:
    assert set(await resolve("localhost")) <= {"127.0.0.1", "::1"}
    assert await resolve("127.1") == ["127.0.0.1"]
    assert is_address_here("127.0.0.1")
    assert not is_address_here("192.0.2.1")
