"""How a gateway goes that others stand beside: first nobody is sent here any more, then it ends.

From the signal on `/health/ready` says 503 and every answer ends its connection, so that balancers and callers move on
while everything is still served: a request that comes in this time is answered as ever. Workers are sent away at once,
with the delay after which they should come back, to whichever gateway then takes them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from taskgate.assembly import Gateway

RECONNECT_S = 1.0
STEP_S = 0.05


async def make_room(gateway: Gateway, connections: Callable[[], Iterable[Any]]) -> None:
    """Say that this gateway goes, and wait until others have had the time to notice; a gateway alone does not wait."""
    grace_s = gateway.settings.http.leave_s if gateway.stores.is_shared else 0.0
    gateway.intake.leaving = True
    send_away(gateway, after_s=max(grace_s, RECONNECT_S))
    clock = asyncio.get_running_loop().time
    until = clock() + grace_s
    while clock() < until:
        for connection in tuple(connections()):
            connection.is_stopping = True
        await asyncio.sleep(STEP_S)


def send_away(gateway: Gateway, *, after_s: float) -> None:
    """Ask every worker to come back later, and close its connection; its leases run on."""
    for holder in gateway.fleet:
        holder.draining = True
        holder.seat.drain(reason="the gateway restarts", reconnect=True, delay_s=after_s)
        asyncio.get_running_loop().call_soon(holder.seat.close, 1012, "the gateway restarts")
