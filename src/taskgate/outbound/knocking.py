"""Whether somebody takes connections at a service's address: opened and closed again, without a word.

Only judged addresses are connected to. Never for longer than `deadline_s`, whatever the resolver or the network does.
"""

from __future__ import annotations

import asyncio

from taskgate.errors import TaskgateError
from taskgate.reach.addresses import read_base_url
from taskgate.reach.pinning import Reach

DEADLINE_S = 2.0


class Knocker:
    """The port `Presence` over TCP."""

    def __init__(self, reach: Reach, *, deadline_s: float = DEADLINE_S) -> None:
        self._reach = reach
        self._deadline_s = deadline_s

    async def answers(self, base_url: str, *, site_id: str) -> bool:
        """Whether one of its judged addresses takes a connection in time."""
        try:
            async with asyncio.timeout(self._deadline_s):
                address = read_base_url(base_url)
                pinned = await self._reach.pin(address.host, address.port, scheme=address.scheme, site_id=site_id)
                for ip in pinned:
                    if await _takes(ip, address.port):
                        return True
        except (TaskgateError, TimeoutError):
            pass
        return False


async def _takes(ip: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(ip, port)
    except OSError:
        return False
    writer.transport.abort()
    return True
