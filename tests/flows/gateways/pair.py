"""Two gateways over the same memory stores: what one of them knows alone is what the other must learn by news."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from taskgate.assembly import build
from taskgate.config import Settings
from taskgate.fleet.neighbours import Neighbours
from taskgate.identity.settings import AuthSettings
from taskgate.runs.settings import RunSettings
from taskgate.secret import Secret, Url
from taskgate.stores.memory.board import MemoryBoard
from taskgate.stores.opening import Stores, open_stores
from taskgate.stores.settings import DatabaseSettings
from taskgate.testing.clock import ManualClock
from tests.flows.runs.house import House

SETTINGS = Settings(
    database=DatabaseSettings(url=Url("memory:")),
    auth=AuthSettings(root_secret=Secret("5e" * 32)),
    runs=RunSettings(accept_flush_s=0.001, sweep_s=3600.0, reconcile_s=3600.0, leader_term_s=30.0),
)
PATIENCE_S = 10.0


def shared_stores(clock: ManualClock, **changes: Any) -> Stores:
    """Memory stores that several gateways stand on."""
    stores = open_stores("memory:", clock=clock, probe=lambda _: None)
    return replace(stores, **{"is_shared": True, "board": MemoryBoard(clock), **changes})


class Neighbour(House):
    """One of several gateways."""

    def __init__(self, stores: Stores, clock: ManualClock, settings: Settings = SETTINGS) -> None:
        self.clock = clock
        self.gateway = build(settings, clock=clock, stores=stores)
        self.news = asyncio.Event()

    @property
    def neighbours(self) -> Neighbours:
        found = self.gateway.fleet.neighbours
        assert found is not None
        return found


async def eventually(claim: Callable[[], Any], within_s: float = PATIENCE_S) -> None:
    """Wait until the claim holds."""
    async with asyncio.timeout(within_s):
        while not claim():  # noqa: ASYNC110  (the claim is about another's state)
            await asyncio.sleep(0.002)
