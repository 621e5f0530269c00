"""Which gateways there are: each adds a line about itself to its words on the board, and any of them lists all.

A list is as old as those words are, a few seconds at most, and asks no database. A gateway that died is on it until the
board forgets it (`neighbours.KEEP_S`). While the board is away the others cannot be heard, and the list says that it
may not be whole. A gateway that shares its stores with nobody lists itself.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from taskgate.clock import Clock
from taskgate.fleet.fleet import Fleet, posted
from taskgate.fleet.neighbours import GatewayPost, Neighbours, WorkerPost

SAID = "gateway"


class _About(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway says of itself beside its workers; what another version does not say stays empty."""

    host: str = ""
    leads: list[str] = []
    leaving: bool = False
    processes: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayView:
    """A gateway as operators see it. `id` is new with every start; `here`: it is the one that answers."""

    id: str
    host: str
    version: str
    started_at: float
    leaving: bool
    leads: tuple[str, ...]
    processes: int
    workers: int
    running: int
    here: bool


class Gateways:
    """Lists them. `leads` tells what this one leads at the moment, `is_leaving` whether it is about to end."""

    def __init__(
        self,
        fleet: Fleet,
        neighbours: Neighbours | None,
        *,
        name: str,
        version: str,
        clock: Clock,
        leads: Callable[[], list[str]],
        is_leaving: Callable[[], bool],
        processes: int = 1,
    ) -> None:
        self._fleet = fleet
        self._neighbours = neighbours
        self._me = GatewayPost(name=name, version=version, since=clock.now())
        self._leads = leads
        self._is_leaving = is_leaving
        self._processes = processes
        if neighbours is not None:
            self._me = neighbours.me
            neighbours.more[SAID] = self._about

    async def all(self) -> list[GatewayView]:
        """Every gateway that is alive, by host and start."""
        views = [_view(self._me, self._about(), posted(self._fleet), here=True)]
        if self._neighbours is not None:
            await self._neighbours.look()
            others = self._neighbours.posts()
            views += [_view(post, _about_of(post), post.workers, here=False) for post in others]
        return sorted(views, key=lambda view: (view.host, view.started_at, view.id))

    @property
    def is_complete(self) -> bool:
        """Whether the others were heard not long ago; False while the board is away."""
        return self._neighbours is None or self._neighbours.is_fresh

    def _about(self) -> _About:
        return _About(host=platform.node(), leads=self._leads(), leaving=self._is_leaving(), processes=self._processes)


def _about_of(post: GatewayPost) -> _About:
    try:
        return msgspec.json.decode(post.more.get(SAID, b"{}"), type=_About)
    except msgspec.MsgspecError:
        return _About()  # the words of a newer gateway, perhaps


def _view(post: GatewayPost, about: _About, workers: list[WorkerPost], *, here: bool) -> GatewayView:
    return GatewayView(
        id=post.name,
        host=about.host,
        version=post.version,
        started_at=post.since,
        leaving=about.leaving,
        leads=tuple(about.leads),
        processes=about.processes,
        workers=len(workers),
        running=sum(worker.running for worker in workers),
        here=here,
    )
