"""What the fleet needs from a store: workers that were ever seen.

Who is connected now lives in memory; an idle heartbeat never reaches a store.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRecord:
    """A worker's durable record; written at hello, bye and loss, never per heartbeat."""

    worker_id: str
    site_id: str
    kind: str = "worker"
    transport: str = ""
    tasks: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    slots: int = 1
    key_id: str = ""
    first_seen_at: float
    last_seen_at: float
    gone_at: float | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


class Roster(Protocol):
    """Workers by id; an id belongs to the site that used it first."""

    async def save(self, record: WorkerRecord) -> bool:
        """Insert or replace; `first_seen_at` of an earlier record is kept. False, and nothing is changed, where the id
        is another site's: of two that come at once, the first to be written has it."""
        ...

    async def find(self, worker_id: str) -> WorkerRecord | None: ...

    async def all(self, site_id: str | None = None) -> list[WorkerRecord]: ...

    async def gone(self, worker_id: str, at: float) -> None: ...

    async def remove(self, worker_id: str) -> bool: ...


class Board(Protocol):
    """What every gateway says of the workers that are connected to it, for the others to read."""

    async def post(self, gateway_id: str, text: bytes, *, keep_s: float) -> None:
        """Replace what this gateway says; forgotten `keep_s` later unless it is posted again."""
        ...

    async def read(self) -> dict[str, bytes]:
        """What every living gateway says, this one included."""
        ...

    async def remove(self, gateway_id: str) -> None: ...
