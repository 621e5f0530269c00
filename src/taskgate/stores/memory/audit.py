"""An audit log in memory: the model of behaviour for the others.

Forgotten with the process, like everything in this room.
"""

from __future__ import annotations

from collections.abc import Sequence

from taskgate.audit.chain import Ends, Link, linked
from taskgate.audit.entry import Deed, Entry
from taskgate.audit.ports import AuditFilter


class MemoryAuditLog:
    """AuditLog in memory."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._ends = Ends()

    async def append(self, deeds: Sequence[Deed]) -> list[Entry]:
        entries = linked(self._ends.head, deeds)
        self._entries += entries
        if entries:
            self._ends = Ends(self._ends.checkpoint, Link(entries[-1].seq, entries[-1].hash))
        return entries

    async def find(self, wanted: AuditFilter) -> list[Entry]:
        found = [entry for entry in reversed(self._entries) if _fits(entry, wanted)]
        return found[: wanted.limit]

    async def chain(self, after: int, limit: int) -> list[Entry]:
        return [entry for entry in self._entries if entry.seq > after][:limit]

    async def ends(self) -> Ends:
        return self._ends

    async def purge(self, before: float, limit: int) -> int:
        gone = next((i for i, entry in enumerate(self._entries) if entry.deed.at >= before), len(self._entries))
        gone = min(gone, limit)
        if gone:
            last = self._entries[gone - 1]
            self._ends = Ends(Link(last.seq, last.hash), self._ends.head)
            del self._entries[:gone]
        return gone


def _fits(entry: Entry, wanted: AuditFilter) -> bool:
    deed = entry.deed
    return (
        wanted.action in ("", deed.action)
        and wanted.outcome in ("", deed.outcome)
        and wanted.actor_id in ("", deed.actor.id)
        and wanted.subject in ("", deed.subject)
        and (wanted.at_from is None or deed.at >= wanted.at_from)
        and (wanted.at_before is None or deed.at < wanted.at_before)
        and (not wanted.cursor or entry.seq < wanted.cursor)
    )
