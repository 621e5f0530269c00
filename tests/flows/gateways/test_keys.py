"""A key that is revoked at one gateway opens nothing at any of them, and what it had opened ends (INV-A5, F30)."""

from __future__ import annotations

import asyncio

import pytest

from taskgate.errors import TaskgateError
from taskgate.events import KeyRevoked
from taskgate.runs.ports import GAP
from tests.flows.gateways.pair import Neighbour, eventually

Pair = tuple[Neighbour, Neighbour]


async def made(house: Neighbour) -> tuple[str, str]:
    record, text = await house.gateway.keys.create(None, name="k", scopes=("read",))
    return record.id, text


def heard_by(house: Neighbour) -> list[str]:
    ids: list[str] = []
    house.gateway.bus.subscribe(KeyRevoked, lambda event: ids.append(event.key_id))
    return ids


async def test_inv_a5_a_revocation_there_counts_here_at_once(pair: Pair) -> None:
    here, there = pair
    key_id, text = await made(there)
    assert (await here.gateway.keys.authenticate(text)).id == key_id
    ends = heard_by(here)
    await there.gateway.keys.revoke(None, key_id)
    await eventually(lambda: key_id in ends)
    with pytest.raises(TaskgateError):
        await here.gateway.keys.authenticate(text)


async def test_f30_a_revocation_whose_news_were_lost_counts_within_seconds(pair: Pair) -> None:
    here, there = pair
    key_id, text = await made(there)
    assert (await here.gateway.keys.authenticate(text)).id == key_id
    ends = heard_by(here)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(there.gateway.stores.signals, "publish", unheard)
        await there.gateway.keys.revoke(None, key_id)
        await asyncio.sleep(0.01)
    assert not ends
    await eventually(lambda: key_id in ends, within_s=5.0)
    with pytest.raises(TaskgateError):
        await here.gateway.keys.authenticate(text)


async def test_f30_a_gap_in_the_news_is_looked_into_at_once(pair: Pair) -> None:
    here, there = pair
    key_id, _ = await made(there)
    ends = heard_by(here)
    await there.gateway.stores.keyring.revoke(key_id, here.clock.now())
    await here.gateway.stores.signals.publish("identity.keys", GAP)
    await eventually(lambda: key_id in ends, within_s=1.5)


async def unheard(topic: str, payload: bytes) -> None:
    """News that nobody gets."""
