"""Registered services in memory.

Forgotten with the process, like everything in this room.
"""

from __future__ import annotations

from taskgate.routes.ports import Turn, turn_lost
from taskgate.routes.service import Service
from taskgate.runs.ports import Mandate
from taskgate.stores.memory.leadership import MemoryLeadership


class MemoryServiceBook:
    """ServiceBook in memory. A name that is saved again keeps its place; `leadership` gives the turns."""

    def __init__(self, leadership: MemoryLeadership | None = None) -> None:
        self._leadership = leadership
        self._by_name: dict[str, Service] = {}

    async def save(self, service: Service, *, under: Turn | None = None) -> None:
        self._check(under)
        self._by_name[service.name] = service

    async def remove(self, name: str, *, under: Turn | None = None) -> bool:
        self._check(under)
        return self._by_name.pop(name, None) is not None

    async def load(self) -> list[Service]:
        return list(self._by_name.values())

    def _check(self, under: Turn | None) -> None:
        if under is None or self._leadership is None:
            return
        if not self._leadership.stands(Mandate(duty=under.duty, epoch=under.epoch)):
            raise turn_lost()
