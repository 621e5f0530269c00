"""The services' share of the document, and answers that are given again while nothing has changed.

Pieces are made in a thread, one maker at a time: a large document takes a while, and nobody else should wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from taskgate.edge.http.doors import Doors
from taskgate.routes.openapi.pieces import Piece
from taskgate.routes.openapi.shelf import PieceShelf
from taskgate.routes.policy import Effective
from taskgate.routes.standing import ServiceView
from taskgate.runs.task import TaskDefinition

MAX_ANSWERS = 64
MAX_ANSWER_BYTES = 64 << 20
AWAY = "the service is away, its routes answer 503 until it is back"


class ServicePieces:
    """What every service brings."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._shelf = PieceShelf(defaults=Effective())
        self._turn = asyncio.Lock()

    async def seen_by(self, site_id: str) -> list[Piece]:
        """The pieces of the services that callers of this site may know of."""
        async with self._turn:
            views = self._doors.registry.standing.views(None)
            services = [view.service for view in views]
            stale = {view.service.name: why for view in views if (why := _why_stale(view))}
            if self._shelf.is_ready(services):
                pieces = self._shelf.pieces_of(services, stale=stale)
            else:
                pieces = await asyncio.to_thread(self._shelf.pieces_of, services, stale=stale)
        seen = {service.name for service in services if service.serves(site_id)}
        return [piece for piece in pieces if piece.service in seen]


def _why_stale(view: ServiceView) -> str:
    if view.status == "away":
        return AWAY
    return "" if view.trouble is None else f"its document cannot be fetched ({view.trouble.error[:200]})"


class _Answer(NamedTuple):
    number: int
    tasks: Sequence[TaskDefinition]
    body: bytes


class Answers:
    """Documents as they were sent, by who may see what; the oldest goes when there are too many."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, _Answer] = {}

    def find(self, who: Hashable, *, number: int, tasks: Sequence[TaskDefinition]) -> bytes | None:
        """The body, if routes (by their snapshot's number) and tasks are still the same."""
        kept = self._kept.get(who)
        if kept is None or kept.number != number or len(kept.tasks) != len(tasks):
            return None
        return kept.body if all(one is other for one, other in zip(kept.tasks, tasks, strict=True)) else None

    def keep(self, who: Hashable, body: bytes, *, number: int, tasks: Sequence[TaskDefinition]) -> None:
        """Remember the body."""
        self._kept.pop(who, None)
        self._kept[who] = _Answer(number, tasks, body)
        while len(self._kept) > MAX_ANSWERS or sum(len(kept.body) for kept in self._kept.values()) > MAX_ANSWER_BYTES:
            del self._kept[next(iter(self._kept))]
