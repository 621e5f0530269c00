"""Keys from memory: who writes the store decides what is believed while it is away; a hot key never waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from taskgate.bus import Bus
from taskgate.errors import Unauthenticated, Unavailable
from taskgate.identity import recall as recall_module
from taskgate.identity.keys import Keys
from taskgate.identity.keytext import new_key
from taskgate.identity.ports import KeyRecord
from taskgate.stores.memory.keys import MemoryKeyRing
from taskgate.testing.clock import ManualClock


class Ring(MemoryKeyRing):
    """A store that can be away, can hang, and whose revocations can get lost on the way back."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.is_stuck = False
        self.loses_answers = False
        self.read_count = 0
        self.was_read = asyncio.Event()

    async def find(self, key_id: str) -> KeyRecord | None:
        self.read_count += 1
        self.was_read.set()
        if self.is_stuck:
            await asyncio.Event().wait()
        if self.is_away:
            raise Unavailable("the database does not answer")
        return await super().find(key_id)

    async def revoke(self, key_id: str, at: float) -> bool:
        done = await super().revoke(key_id, at)
        if self.loses_answers:
            raise Unavailable("the database did not answer in time")
        return done


class Place:
    """One gateway's keys."""

    def __init__(self, *, is_sole: bool) -> None:
        self.ring, self.clock = Ring(), ManualClock()
        self.keys = Keys(self.ring, clock=self.clock, bus=Bus(), is_sole=is_sole)

    async def key(self, *, expires_at: float | None = None) -> tuple[str, str]:
        record, text = await self.keys.create(None, name="x", scopes=["read"], expires_at=expires_at)
        return record.id, text

    def is_proven(self, text: str) -> bool:
        return self.keys.recall.proven(text.encode()) is not None

    async def settle(self) -> None:
        """Let the background reads end."""
        await asyncio.gather(*self.keys.tasks._tasks)


@pytest.fixture
async def sole() -> AsyncIterator[Place]:
    place = Place(is_sole=True)
    await place.keys.start()
    yield place
    await place.keys.stop()


@pytest.fixture
async def shared() -> AsyncIterator[Place]:
    place = Place(is_sole=False)
    await place.keys.start()
    yield place
    await place.keys.stop()


async def test_a_key_is_proven_from_memory_alone(sole: Place) -> None:
    key_id, text = await sole.key()
    found = sole.keys.recall.proven(text.encode())
    assert found is not None
    principal = found.principal
    assert principal.id == key_id
    assert principal == await sole.keys.authenticate(text)
    assert sole.ring.read_count == 0
    for wrong in (text[:-1] + ("A" if text[-1] != "A" else "B"), new_key()[2], "", text + "x", "xx" + text[2:],
                  text.replace("_", "-", 2)):  # fmt: skip
        assert not sole.is_proven(wrong)
    assert sole.keys.recall.proven(b"\xff" * 59) is None


async def test_a_hot_key_never_waits_for_the_store(sole: Place, shared: Place) -> None:
    """Read again in the background, once in twenty seconds and not once per request."""
    for place in (sole, shared):
        _, text = await place.key()
        for _ in range(600):
            place.clock.advance(1)
            assert place.is_proven(text)
            await place.settle()
        assert 20 <= place.ring.read_count <= 31


async def test_the_only_writer_believes_while_the_store_is_away(sole: Place) -> None:
    """Routes are served on; an unknown key is refused (INV-A7); the store is asked once a second."""
    _, text = await sole.key()
    _, cold = await sole.key()
    sole.ring.is_away = True
    for _ in range(300):
        sole.clock.advance(1)
        assert sole.is_proven(text)
        assert sole.is_proven(text)
        await sole.settle()
    assert sole.ring.read_count <= 300
    assert not sole.is_proven(cold)
    assert (await sole.keys.authenticate(cold)).name == "x"
    assert sole.is_proven(cold)
    with pytest.raises(Unavailable):
        await sole.keys.authenticate(new_key()[2])


async def test_what_the_store_says_counts_again_once_it_is_back(sole: Place) -> None:
    """A record that somebody changed by hand is noticed by the second use after that."""
    key_id, text = await sole.key()
    sole.ring.is_away = True
    sole.clock.advance(100)
    await sole.keys.authenticate(text)
    await MemoryKeyRing.revoke(sole.ring, key_id, sole.clock.now())
    sole.ring.is_away = False
    sole.clock.advance(1)
    assert sole.is_proven(text)
    await sole.settle()
    assert not sole.is_proven(text)


async def test_one_writer_of_several_believes_nobody_for_longer(shared: Place) -> None:
    """INV-A7: somebody else may have revoked it."""
    _, text = await shared.key()
    shared.ring.is_away = True
    shared.clock.advance(29)
    assert shared.is_proven(text)
    await shared.settle()
    shared.clock.advance(1)
    assert not shared.is_proven(text)
    with pytest.raises(Unavailable):
        await shared.keys.authenticate(text)


async def test_a_store_that_hangs_is_not_waited_for_long(sole: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall_module, "PATIENCE_S", 0.01)
    _, text = await sole.key()
    sole.ring.is_stuck = True
    sole.clock.advance(100)
    assert (await sole.keys.authenticate(text)).name == "x"


async def test_a_revocation_works_at_once(sole: Place) -> None:
    """INV-A5, also while the key is being read again, and while the store is away afterwards."""
    key_id, text = await sole.key()
    sole.clock.advance(25)
    assert sole.is_proven(text)
    await sole.keys.revoke(None, key_id)
    assert not sole.is_proven(text)
    await sole.settle()
    assert not sole.is_proven(text)
    sole.ring.is_away = True
    with pytest.raises((Unavailable, Unauthenticated)):
        await sole.keys.authenticate(text)


@pytest.mark.parametrize("how", ["away", "answer lost"])
async def test_a_revocation_that_may_have_happened_is_believed(sole: Place, how: str) -> None:
    """Fail closed: whoever asked for it was told that it failed, and the key is good only if the store says so."""
    key_id, text = await sole.key()
    sole.ring.is_away, sole.ring.loses_answers = how == "away", True
    with pytest.raises(Unavailable):
        await sole.keys.revoke(None, key_id)
    sole.ring.is_away = True
    assert not sole.is_proven(text)
    with pytest.raises(Unavailable):
        await sole.keys.authenticate(text)


async def test_a_read_between_the_asking_and_a_lost_answer_revives_nothing(
    sole: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_id, text = await sole.key()
    revoke = sole.ring.revoke

    async def slow_and_lost(key_id: str, at: float) -> bool:
        await sole.keys.recall.find(key_id)
        return await revoke(key_id, at)

    sole.ring.loses_answers = True
    monkeypatch.setattr(sole.ring, "revoke", slow_and_lost)
    with pytest.raises(Unavailable):
        await sole.keys.revoke(None, key_id)
    assert not sole.is_proven(text)


async def test_expiry_is_looked_at_with_every_use(sole: Place) -> None:
    _, text = await sole.key(expires_at=sole.clock.now() + 10)
    sole.clock.advance(9.9)
    assert sole.is_proven(text)
    sole.clock.advance(0.2)
    assert not sole.is_proven(text)
    sole.ring.is_away = True
    sole.clock.advance(100)
    assert not sole.is_proven(text)
    with pytest.raises(Unauthenticated) as caught:
        await sole.keys.authenticate(text)
    assert caught.value.code == "KEY_EXPIRED"


async def test_a_key_that_is_revoked_while_the_store_hangs_is_not_believed(
    sole: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recall_module, "PATIENCE_S", 0.05)
    key_id, text = await sole.key()
    sole.ring.is_stuck = True
    sole.clock.advance(100)
    asking = asyncio.create_task(sole.keys.authenticate(text))
    await sole.ring.was_read.wait()
    sole.keys.recall.forget(key_id)
    with pytest.raises(Unavailable):
        await asking


async def test_inv_a7_a_key_in_use_never_waits_while_the_store_hangs(
    sole: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is believed on before its time is over; who is unknown is refused in time, not kept waiting."""
    monkeypatch.setattr(recall_module, "PATIENCE_S", 0.01)
    _, text = await sole.key()
    _, _, unknown = new_key()
    sole.ring.is_stuck = True
    for _ in range(40):
        sole.clock.advance(5.0)
        assert sole.is_proven(text)
        assert await sole.keys.tasks.rest(10)
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable) as refused:
            await sole.keys.authenticate(unknown)
    assert refused.value.retry_after_s <= 2
