"""How a gateway goes that others stand beside: first nobody is sent here any more, then it ends.

From the signal on `/health/ready` says 503 and every answer ends its connection, so that balancers and callers move on
while everything is still served: a request that comes in this time is answered as ever. Workers get nothing new and are
sent away, with the delay after which they should come back, to whichever gateway then takes them. A worker whose run
has just begun stays until that lease was confirmed, a second later: it would stop the run after the few seconds of its
offer otherwise, and the run be done again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from taskgate.assembly import Gateway
from taskgate.fleet.holder import Holder

RECONNECT_S = 1.0
CONFIRM_S = 2.0  # a run that lives for a second has asked by then, and was answered
STEP_S = 0.05
LINKED = ("websocket", "grpc")  # over these a worker hears of its leases; who polls asks for them elsewhere


async def make_room(gateway: Gateway, connections: Callable[[], Iterable[Any]]) -> None:
    """Say that this gateway goes, send its workers away, and wait until others have had the time to notice; a gateway
    alone waits for its workers' leases only."""
    grace_s = gateway.settings.http.leave_s if gateway.stores.is_shared else 0.0
    gateway.intake.leaving = True
    clock = asyncio.get_running_loop().time
    began_at = clock()
    leases = gateway.moves.leases
    gone: set[Holder] = set()
    while True:
        for_s = clock() - began_at
        here = [holder for holder in gateway.fleet if holder not in gone]
        for holder in here:
            holder.draining = True
            are_told = holder.transport not in LINKED or all(held.is_told for held in leases.of_worker(holder.id))
            if for_s >= CONFIRM_S or are_told:
                _send_away(holder, after_s=max(grace_s - for_s, RECONNECT_S))
                gone.add(holder)
        if for_s >= grace_s and gone.issuperset(here):
            return
        for connection in tuple(connections()):
            connection.is_stopping = True
        await asyncio.sleep(STEP_S)


def _send_away(holder: Holder, *, after_s: float) -> None:
    """Ask a worker to come back later, and close its connection; its leases run on."""
    holder.seat.drain(reason="the gateway restarts", reconnect=True, delay_s=after_s)
    asyncio.get_running_loop().call_soon(holder.seat.close, 1012, "the gateway restarts")
