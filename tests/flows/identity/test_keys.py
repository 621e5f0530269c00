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
    record, text = await places[0].keys.create(
        None, name="ci", scopes=["submit", "read"], kind="service", site_id="acme", user_id="u1", app_id="a"
    )
    principal = await places[0].keys.authenticate(text)
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
        await places[0].keys.authenticate(text)
    assert place.ring.read_count == before
    place.clock.advance(31)
    await places[0].keys.authenticate(text)
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
        await places[0].keys.authenticate(wrong)
    assert caught.value.detail == "the credential is not valid"
    await places[0].keys.authenticate(text)


async def test_an_expired_key_is_refused_at_its_second(places: tuple[Place, Place]) -> None:
    place, _ = places
    _, text = await place.make(expires_at=place.clock.now() + 10)
    place.clock.advance(9.9)
    await places[0].keys.authenticate(text)
    place.clock.advance(0.1)
    with pytest.raises(Unauthenticated) as caught:
        await places[0].keys.authenticate(text)
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
    await places[0].keys.revoke(None, record.id)
    hold.set()
    with pytest.raises(Unauthenticated):
        await late
    with pytest.raises(Unauthenticated):
        await places[0].keys.authenticate(text)


async def test_nobody_comes_in_while_nobody_can_tell(places: tuple[Place, Place]) -> None:
    """INV-A7: fail closed once what is remembered is too old."""
    place, _ = places
    _, text = await place.make()
    place.ring.is_away = True
    await places[0].keys.authenticate(text)
    place.clock.advance(30)
    with pytest.raises(Unavailable):
        await places[0].keys.authenticate(text)
    place.ring.is_away = False
    await places[0].keys.authenticate(text)


async def test_callers_that_failed_often_cost_no_read(places: tuple[Place, Place]) -> None:
    place, _ = places
    _, text = await place.make()
    before = place.ring.read_count
    with pytest.raises(Limited):
        await places[0].keys.authenticate(new_key()[2], remembered_only=True)
    assert place.ring.read_count == before
    await places[0].keys.authenticate(text, remembered_only=True)


async def test_rotation_with_and_without_overlap(places: tuple[Place, Place]) -> None:
    place, _ = places
    old, old_text = await place.make("submit", expires_at=place.clock.now() + 1000)
    fresh, fresh_text = await places[0].keys.rotate(None, old.id, overlap_s=60)
    assert (fresh.rotated_from, fresh.scopes, fresh.expires_at) == (old.id, old.scopes, old.expires_at)
    assert fresh.secret_sha256 != old.secret_sha256
    await places[0].keys.authenticate(old_text)
    place.clock.advance(60)
    with pytest.raises(Unauthenticated):
        await places[0].keys.authenticate(old_text)
    await places[0].keys.authenticate(fresh_text)
    await places[0].keys.rotate(None, fresh.id)
    with pytest.raises(Unauthenticated):
        await places[0].keys.authenticate(fresh_text)
    for ended in (old, fresh):
        with pytest.raises(InvalidInput):
            await places[0].keys.rotate(None, ended.id)


async def test_only_administrators_touch_keys(places: tuple[Place, Place]) -> None:
    place, _ = places
    record, text = await place.make("read", "submit", "tenant:assert", "serve:*")
    caller = await places[0].keys.authenticate(text)
    for attempt in (
        places[0].keys.create(caller, name="x", scopes=["admin"]),
        places[0].keys.revoke(caller, record.id),
        places[0].keys.rotate(caller, record.id),
        places[0].keys.all(caller),
    ):
        with pytest.raises(Forbidden):
            await attempt


async def test_unknown_ids(places: tuple[Place, Place]) -> None:
    place, _ = places
    with pytest.raises(NotFound):
        await places[0].keys.revoke(None, "nobodyknows0")
    record, _ = await place.make()
    first = await places[0].keys.revoke(None, record.id)
    assert await places[0].keys.revoke(None, record.id) == first
    assert place.revoked == [record.id]


async def test_tickets_end(places: tuple[Place, Place]) -> None:
    """S23: 30 seconds, and not more than a hundred open ones a key."""
    place, _ = places
    _, text = await place.make()
    principal = await places[0].keys.authenticate(text)
    tickets = places[0].keys.tickets
    opened = [(await tickets.issue(principal))[0] for _ in range(100)]
    with pytest.raises(Limited):
        await tickets.issue(principal)
    place.clock.advance(29.9)
    assert await tickets.redeem(opened[0]) == principal
    place.clock.advance(0.1)
    for ticket in (opened[1], "", "x" * 22, "x" * 10**6):
        with pytest.raises(Unauthenticated):
            await tickets.redeem(ticket)
    assert await tickets.issue(principal)


@pytest.mark.parametrize("prefix", ["", "/", "ai", "/ai/", "//ai", "/a/../b", "/.", "/a%2fb", "/a b", "/{x}", "/a\n"])
async def test_prefixes_of_a_key_are_plain_paths(places: tuple[Place, Place], prefix: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await places[0].keys.create(None, name="x", scopes=["register"], prefixes=["/fine", prefix])
    assert refused.value.extra["path"] == "/prefixes"


async def test_a_principal_has_the_prefixes_of_its_key(places: tuple[Place, Place]) -> None:
    record, text = await places[0].keys.create(None, name="x", scopes=["register"], prefixes=["/v1/ai", "/x"])
    assert (await places[0].keys.authenticate(text)).prefixes == ("/v1/ai", "/x")
    fresh, _ = await places[0].keys.rotate(None, record.id)
    assert fresh.prefixes == ("/v1/ai", "/x")
