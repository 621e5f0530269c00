"""Registered services in memory.

Forgotten with the process, like everything in this room.
"""

from __future__ import annotations

from taskgate.routes.service import Service


class MemoryServiceBook:
    """ServiceBook in memory. A name that is saved again keeps its place."""

    def __init__(self) -> None:
        self._by_name: dict[str, Service] = {}

    async def save(self, service: Service) -> None:
        self._by_name[service.name] = service

    async def remove(self, name: str) -> bool:
        return self._by_name.pop(name, None) is not None

    async def load(self) -> list[Service]:
        return list(self._by_name.values())
