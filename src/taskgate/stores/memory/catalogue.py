"""Task definitions in memory: what is current, and whatever was saved by its digest.

Forgotten with the process, like everything in this room.
"""

from __future__ import annotations

from collections.abc import Sequence

from taskgate.runs.task import TaskDefinition, digest_of


class MemoryCatalogue:
    """Catalogue in memory. The order of `load` is the order of saving, so the newest version of a name is last."""

    def __init__(self) -> None:
        self._by_digest: dict[str, TaskDefinition] = {}
        self._current: dict[tuple[str, str, str], TaskDefinition] = {}

    async def save(self, definitions: Sequence[TaskDefinition]) -> None:
        for definition in definitions:
            key = (definition.site_id, definition.name, definition.version)
            self._by_digest[digest_of(definition)] = definition
            self._current.pop(key, None)
            self._current[key] = definition

    async def load(self) -> list[TaskDefinition]:
        return list(self._current.values())

    async def find(self, digest: str) -> TaskDefinition | None:
        return self._by_digest.get(digest)

    async def remove(self, site_id: str, name: str, *, version: str) -> bool:
        return self._current.pop((site_id, name, version), None) is not None
