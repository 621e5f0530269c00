"""Keys over a ring: one hash per request, revocation at once, and never a yes that nobody can confirm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from taskgate.bus import Bus
from taskgate.errors import Forbidden, InvalidInput, Limited, NotFound, Unauthenticated, Unavailable
from taskgate.events import KeyRevoked
from taskgate.identity.keys import Keys
from taskgate.identity.keytext import new_key, parse_key
from taskgate.identity.ports import KeyRecord
from taskgate.identity.principal import Principal
from taskgate.stores.memory.keys import MemoryKeyRing
from taskgate.stores.memory.signals import MemorySignals
from taskgate.testing.clock import ManualClock


class WatchedRing(MemoryKeyRing):
    """Counts reads, can be away, and can hold a read in its hand until told."""

    def __init__(self) -> None:
        super().__init__()
        self.read_count = 0
        self.is_away = False
        self.hold: asyncio.Event | None = None
        self.reading = asyncio.Event()

    async def find(self, key_id: str) -> KeyRecord | None:
        self.read_count += 1
        if self.is_away:
            raise Unavailable("the database does not answer")
        found = await super().find(key_id)
        if self.hold is not None:
            self.reading.set()
            await self.hold.wait()
        return found


class Place:
    """A gateway's keys over a ring that others share."""

    def __init__(self, ring: WatchedRing, signals: MemorySignals, clock: ManualClock) -> None:
        self.ring = ring
        self.clock = clock
        self.bus = Bus()
        self.revoked: list[str] = []
        self.heard = asyncio.Event()
        self.bus.subscribe(KeyRevoked, self._hear)
        self.keys = Keys(ring, clock=clock, bus=self.bus, signals=signals)

    def _hear(self, event: KeyRevoked) -> None:
        self.revoked.append(event.key_id)
        self.heard.set()

    async def make(self, *scopes: str, expires_at: float | None = None) -> tuple[KeyRecord, str]:
        return await self.keys.create(None, name="test", scopes=scopes or ("read",), expires_at=expires_at)


@pytest.fixture
async def places() -> AsyncIterator[tuple[Place, Place]]:
    """Two gateways on one ring."""
    ring, signals, clock = WatchedRing(), MemorySignals(), ManualClock()
    one, two = Place(ring, signals, clock), Place(ring, signals, clock)
    await one.keys.start()
    await two.keys.start()
    yield one, two
    await one.keys.stop()
    await two.keys.stop()


async def test_a_key_says_who_calls(places: tuple[Place, Place]) -> None:
    place, _ = places
    record, text = await place.keys.create(
        None, name="ci", scopes=["submit", "read"], kind="service", site_id="acme", user_id="u1", app_id="a"
    )
    principal = await place.keys.authenticate(text)
    assert principal == Principal(
        id=record.id, name="ci", kind="service", scopes=frozenset({"submit", "read"}), site_id="acme", user_id="u1",
        app_id="a",
    )  # fmt: skip
    stored = await place.ring.all()
    secret = (parse_key(text) or ("", ""))[1]
    assert secret not in repr(stored)
    assert secret.encode() not in b"".join(row.secret_sha256 for row in stored)


async def test_requests_read_nothing(places: tuple[Place, Place]) -> None:
    place, _ = places
    _, text = await place.make()
    before = place.ring.read_count
    for _ in range(100):
        await place.keys.authenticate(text)
    assert place.ring.read_count == before
    place.clock.advance(31)
    await place.keys.authenticate(text)
    assert place.ring.read_count == before + 1


@pytest.mark.parametrize("change", ["first", "last", "id", "other", "short", "long", "empty", "prefix"])
async def test_a_wrong_key_is_refused(places: tuple[Place, Place], change: str) -> None:
    """S21: wrong by the first or the last character, of nobody, of somebody else."""
    place, _ = places
    _, text = await place.make()
    _, other = await place.make()
    flipped = {"A": "B"}
    head, secret = text[:16], text[16:]
    wrong = {
        "first": head + flipped.get(secret[0], "A") + secret[1:],
        "last": text[:-1] + flipped.get(text[-1], "A"),
        "id": new_key()[2][:16] + secret,
        "other": other[:16] + secret,
        "short": text[:-1],
        "long": text + "A",
        "empty": "",
        "prefix": "xx" + text[2:],
    }[change]
    with pytest.raises(Unauthenticated) as caught:
        await place.keys.authenticate(wrong)
    assert caught.value.detail == "the credential is not valid"
    await place.keys.authenticate(text)


async def test_an_expired_key_is_refused_at_its_second(places: tuple[Place, Place]) -> None:
    place, _ = places
    _, text = await place.make(expires_at=place.clock.now() + 10)
    place.clock.advance(9.9)
    await place.keys.authenticate(text)
    place.clock.advance(0.1)
    with pytest.raises(Unauthenticated) as caught:
        await place.keys.authenticate(text)
    assert caught.value.code == "KEY_EXPIRED"


async def test_a_revocation_works_at_once_everywhere(places: tuple[Place, Place]) -> None:
    """INV-A5: here by a call, in the other gateway by news, and a restart does not revive it."""
    here, there = places
    record, text = await here.make()
    await there.keys.authenticate(text)
    await here.keys.revoke(None, record.id)
    assert here.revoked == [record.id]
    with pytest.raises(Unauthenticated):
        await here.keys.authenticate(text)
    async with asyncio.timeout(5):
        await there.heard.wait()
    assert there.revoked == [record.id]
    with pytest.raises(Unauthenticated) as caught:
        await there.keys.authenticate(text)
    assert caught.value.code == "KEY_REVOKED"
    again = Place(here.ring, MemorySignals(), here.clock)
    await again.keys.start()
    with pytest.raises(Unauthenticated):
        await again.keys.authenticate(text)
    await again.keys.stop()


async def test_lost_news_are_believed_for_half_a_minute(places: tuple[Place, Place]) -> None:
    """INV-A7: a cached decision is at most 30 s old."""
    here, _ = places
    cut_off = Place(here.ring, MemorySignals(), here.clock)
    await cut_off.keys.start()
    record, text = await here.make()
    await cut_off.keys.authenticate(text)
    await here.keys.revoke(None, record.id)
    here.clock.advance(30)
    with pytest.raises(Unauthenticated):
        await cut_off.keys.authenticate(text)
    await cut_off.keys.stop()


async def test_a_read_that_was_under_way_revives_nothing(places: tuple[Place, Place]) -> None:
    """The read began before the revocation and came back after it: it must not be remembered."""
    place, _ = places
    record, text = await place.make()
    place.clock.advance(31)
    place.ring.hold = asyncio.Event()
    late = asyncio.create_task(place.keys.authenticate(text))
    await place.ring.reading.wait()
    hold, place.ring.hold = place.ring.hold, None
    await place.keys.revoke(None, record.id)
    hold.set()
    with pytest.raises(Unauthenticated):
        await late
    with pytest.raises(Unauthenticated):
        await place.keys.authenticate(text)


async def test_nobody_comes_in_while_nobody_can_tell(places: tuple[Place, Place]) -> None:
    """INV-A7: fail closed once what is remembered is too old."""
    place, _ = places
    _, text = await place.make()
    place.ring.is_away = True
    await place.keys.authenticate(text)
    place.clock.advance(30)
    with pytest.raises(Unavailable):
        await place.keys.authenticate(text)
    place.ring.is_away = False
    await place.keys.authenticate(text)


async def test_callers_that_failed_often_cost_no_read(places: tuple[Place, Place]) -> None:
    place, _ = places
    _, text = await place.make()
    before = place.ring.read_count
    with pytest.raises(Limited):
        await place.keys.authenticate(new_key()[2], remembered_only=True)
    assert place.ring.read_count == before
    await place.keys.authenticate(text, remembered_only=True)


async def test_rotation_with_and_without_overlap(places: tuple[Place, Place]) -> None:
    place, _ = places
    old, old_text = await place.make("submit", expires_at=place.clock.now() + 1000)
    fresh, fresh_text = await place.keys.rotate(None, old.id, overlap_s=60)
    assert (fresh.rotated_from, fresh.scopes, fresh.expires_at) == (old.id, old.scopes, old.expires_at)
    assert fresh.secret_sha256 != old.secret_sha256
    await place.keys.authenticate(old_text)
    place.clock.advance(60)
    with pytest.raises(Unauthenticated):
        await place.keys.authenticate(old_text)
    await place.keys.authenticate(fresh_text)
    await place.keys.rotate(None, fresh.id)
    with pytest.raises(Unauthenticated):
        await place.keys.authenticate(fresh_text)
    for ended in (old, fresh):
        with pytest.raises(InvalidInput):
            await place.keys.rotate(None, ended.id)


async def test_only_administrators_touch_keys(places: tuple[Place, Place]) -> None:
    place, _ = places
    record, text = await place.make("read", "submit", "tenant:assert", "serve:*")
    caller = await place.keys.authenticate(text)
    for attempt in (
        place.keys.create(caller, name="x", scopes=["admin"]),
        place.keys.revoke(caller, record.id),
        place.keys.rotate(caller, record.id),
        place.keys.all(caller),
    ):
        with pytest.raises(Forbidden):
            await attempt


async def test_unknown_ids(places: tuple[Place, Place]) -> None:
    place, _ = places
    with pytest.raises(NotFound):
        await place.keys.revoke(None, "nobodyknows0")
    record, _ = await place.make()
    first = await place.keys.revoke(None, record.id)
    assert await place.keys.revoke(None, record.id) == first
    assert place.revoked == [record.id]


async def test_tickets_end(places: tuple[Place, Place]) -> None:
    """S23: 30 seconds, and not more than a hundred open ones a key."""
    place, _ = places
    _, text = await place.make()
    principal = await place.keys.authenticate(text)
    tickets = place.keys.tickets
    opened = [tickets.issue(principal)[0] for _ in range(100)]
    with pytest.raises(Limited):
        tickets.issue(principal)
    place.clock.advance(29.9)
    assert await tickets.redeem(opened[0]) == principal
    place.clock.advance(0.1)
    for ticket in (opened[1], "", "x" * 22, "x" * 10**6):
        with pytest.raises(Unauthenticated):
            await tickets.redeem(ticket)
    assert tickets.issue(principal)
