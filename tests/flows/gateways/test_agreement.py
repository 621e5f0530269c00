"""Gateways that run together have one root secret, and only the first of them makes the first keys."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from taskgate.errors import InvalidInput, StoreError
from taskgate.identity.settings import AuthSettings
from taskgate.secret import Secret
from taskgate.server import ensure_first_keys
from taskgate.testing.clock import ManualClock
from tests.flows.gateways.pair import SETTINGS, Neighbour, shared_stores


def with_secret(text: str) -> AuthSettings:
    return AuthSettings(root_secret=Secret(text))


async def test_another_secret_is_refused_while_the_others_run() -> None:
    clock = ManualClock()
    stores = shared_stores(clock)
    one = Neighbour(stores, clock)
    await one.gateway.start()
    other = Neighbour(stores, clock, replace(SETTINGS, auth=with_secret("0f" * 32)))
    with pytest.raises(StoreError, match="another root secret"):
        await other.gateway.start()
    await one.gateway.stop()
    clock.advance(61.0)
    await other.gateway.start()
    await other.gateway.stop()


@pytest.mark.parametrize("text", ["5e", "5e" * 33, "zz" * 32, "00" * 32])
def test_a_root_secret_that_is_none_is_refused(text: str) -> None:
    clock = ManualClock()
    with pytest.raises(InvalidInput, match="hexadecimal"):
        Neighbour(shared_stores(clock), clock, replace(SETTINGS, auth=with_secret(text)))


async def test_of_gateways_that_start_at_once_one_makes_the_first_keys(
    pair: tuple[Neighbour, Neighbour], tmp_path: Path
) -> None:
    await asyncio.gather(
        *(ensure_first_keys(house.gateway, tmp_path / str(number)) for number, house in enumerate(pair))
    )
    names = sorted(record.name for record in await pair[0].gateway.keys.all())
    assert names == ["first admin", "first worker"]
    assert sorted(path.name for path in tmp_path.rglob("*.key")) == ["admin.key", "worker.key"]  # noqa: ASYNC240
