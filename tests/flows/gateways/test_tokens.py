"""What was taken back at one gateway ends at the other, on links of every kind, news or no news (INV-A5, F30)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from taskgate.edge.http.app import build_http
from taskgate.errors import TaskgateError, Unauthenticated
from taskgate.fleet.holder import Holder
from taskgate.identity.principal import Principal
from tests.edge.http.house import HandSeat
from tests.flows.gateways.pair import Neighbour, eventually
from tests.flows.gateways.test_keys import unheard

Pair = tuple[Neighbour, Neighbour]
WHAT = pytest.mark.parametrize("what", ["token", "subject", "certificate"])
GPU = "spiffe://mesh.example/worker/gpu-1"


async def caller(house: Neighbour, what: str) -> tuple[Principal, str, str]:
    """Somebody, the text shown ("" for a certificate), and the name that takes it back."""
    if what == "certificate":
        return Principal(id=GPU, name="gpu-1", scopes=frozenset({"worker"}), issued_at=1.0), "", GPU
    _, key = await house.gateway.keys.create(None, name="k", scopes=("read", "worker"))
    text, made = await house.gateway.entrance.tokens.exchange(await house.gateway.keys.authenticate(key))
    return made, text, made.token_id if what == "token" else made.id


@asynccontextmanager
async def linked(house: Neighbour, who: Principal) -> AsyncIterator[tuple[HandSeat, asyncio.Task[Any]]]:
    """A worker's link and a caller's stream at this gateway, both opened with the credential."""
    door, seat = build_http(house.gateway), HandSeat()
    holder = Holder(
        "gpu-1", seat, instance="i1", site_id="default", key_id=who.id, token_id=who.token_id, transport="websocket",
        tasks={"work": frozenset({""})}, labels={}, slots=1, now=house.clock.monotonic(),
    )  # fmt: skip
    await house.gateway.fleet.join(holder)
    stream = asyncio.create_task(door._live.during_key(who, asyncio.Event().wait()))
    await asyncio.sleep(0)
    try:
        yield seat, stream
    finally:
        stream.cancel()
        await asyncio.gather(stream, return_exceptions=True)
        await house.gateway.fleet.leave(holder)


@WHAT
@pytest.mark.parametrize("news", ["heard", "lost"])
async def test_inv_a5_links_end_at_both_gateways(pair: Pair, what: str, news: str) -> None:
    here, there = pair
    who, text, name = await caller(there, what)
    if text:
        assert (await here.gateway.keys.authenticate(text)).id == who.id
    async with linked(here, who) as (seat, stream), linked(there, who) as (other_seat, other_stream):
        with pytest.MonkeyPatch.context() as patch:
            if news == "lost":
                patch.setattr(there.gateway.stores.signals, "publish", unheard)
            await there.gateway.entrance.tokens.take_back(name)
        assert other_seat.closed == 4401
        await eventually(lambda: seat.closed == 4401, within_s=5.0)
        for each in (stream, other_stream):
            with pytest.raises(Unauthenticated):
                async with asyncio.timeout(5):
                    await each
    for house in pair:
        assert not await house.gateway.keys.standing.holds(who)
        if text:
            with pytest.raises(TaskgateError):
                await house.gateway.keys.authenticate(text)
