"""The asyncio client, over aiohttp."""

from taskgate.client.aio.client import AsyncClient
from taskgate.client.aio.run import AsyncRun

__all__ = ["AsyncClient", "AsyncRun"]
