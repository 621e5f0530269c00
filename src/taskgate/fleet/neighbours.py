"""What other gateways say of themselves: which workers they have, how many runs those hold, when each was heard last.

Every gateway posts its own words on a board every `POST_S`, sooner when a worker came or went, and reads those of the
others. To describe thousands of workers takes time: it is done anew at most every `EACH_S` for each of them, and what
was said last is said again in between; words that are as they were are not read again. Words that are not renewed are
forgotten by the board (`KEEP_S`), and with them the workers of a gateway that died. Nothing is decided from the board
but what may be a little late: lists, reasons, who seems to be connected twice. While the board is away the last words
count, for as long as they would have on the board.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from taskgate.clock import Clock
from taskgate.errors import NotNow, StoreError
from taskgate.fleet.holder import Holder, Labels
from taskgate.fleet.ports import Board
from taskgate.lifespan import TaskSet

_log = logging.getLogger(__name__)
POST_S = 2.0
MOST_LOAD = 1000.0  # of a machine that has far too much to do
KEEP_S = 10.0
SOON_S = 0.05
EACH_S = 0.002


class WorkerPost(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A connected worker in the words of its gateway. Moments are epoch seconds; `site_id` None serves every site."""

    id: str
    key_id: str
    site_id: str | None
    transport: str
    status: str
    tasks: dict[str, list[str]]
    labels: dict[str, str] = {}
    set_aside: list[str] = []
    slots: int = 1
    running: int = 0
    load: dict[str, float] = {}
    last_heartbeat_at: float
    connected_at: float

    @property
    def draining(self) -> bool:
        """Whether it takes nothing new."""
        return self.status == "draining"

    @property
    def free(self) -> int:
        """How many offers it would take, as far as is known here."""
        return 0 if self.draining else max(0, self.slots - self.running)

    def serves(self, site_id: str) -> bool:
        """Whether it may take runs of that site."""
        return self.site_id in (None, site_id)

    def can_do(self, task: str, *, version: str = "", labels: Labels = ()) -> bool:
        """Whether it offers this task in this version ("" = any) and has every required label."""
        versions = self.tasks.get(task)
        if versions is None or task in self.set_aside or (version and version not in versions):
            return False
        return all(self.labels.get(key) == value for key, value in labels)


class Penman:
    """Describes connected workers. One whose last heartbeat is older than `late_after_s` is `degraded`."""

    def __init__(self, clock: Clock, *, late_after_s: float) -> None:
        self._clock = clock
        self._late_after_s = late_after_s

    def post(self, holder: Holder) -> WorkerPost:
        """The worker as others should know it."""
        now, ago = self._clock.now(), self._clock.monotonic()
        silent_s = ago - holder.last_heartbeat_at
        return WorkerPost(
            id=holder.id,
            key_id=holder.key_id,
            site_id=holder.site_id,
            transport=holder.transport,
            status="draining" if holder.draining else "degraded" if silent_s > self._late_after_s else "online",
            tasks=holder.offered,
            labels=holder.labels,
            set_aside=holder.set_aside,
            slots=holder.slots,
            running=holder.running,
            load={"cpu": _share(holder.load.cpu), "memory": _share(holder.load.memory)},
            last_heartbeat_at=now - silent_s,
            connected_at=now - (ago - holder.connected_at),
        )


def _share(told: float) -> float:
    """A fraction as a worker told it; 0 for what is none, which no reader of a post could read."""
    return told if 0.0 <= told <= MOST_LOAD else 0.0


class _Words(msgspec.Struct, frozen=True, kw_only=True):
    """A `GatewayPost` as it is sent; the workers are text already."""

    name: str
    version: str
    since: float
    workers: msgspec.Raw
    more: dict[str, msgspec.Raw]


class GatewayPost(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway in its own words; `more` has what other rooms add, by their names."""

    name: str
    version: str
    since: float
    workers: list[WorkerPost] = []
    more: dict[str, msgspec.Raw] = {}


class Neighbours:
    """A part: posts what `tell` says of this gateway, and knows what the others said last.

    `on_read` are called after every reading.
    """

    def __init__(self, board: Board, *, name: str, version: str, clock: Clock) -> None:
        self._board = board
        self._clock = clock
        self._nudged = asyncio.Event()
        self._texts: dict[str, bytes] = {}
        self._posts: dict[str, GatewayPost] = {}
        self._described = msgspec.Raw(b"[]")
        self._describe_at = float("-inf")
        self._crowd_s = 0.0
        self._read_at = float("-inf")
        self._workers: dict[str, WorkerPost] = {}
        self.me = GatewayPost(name=name, version=version, since=clock.now())
        self.workers: Callable[[], list[WorkerPost]] = list
        self.more: dict[str, Callable[[], Any]] = {}
        self.on_read: list[Callable[[], None]] = []
        self.tasks = TaskSet()

    async def start(self) -> None:
        await self.turn()
        self.tasks.spawn(self._work(), name="words of gateways")

    async def stop(self) -> None:
        """Take our words back: our workers go elsewhere."""
        await self.tasks.close()
        with contextlib.suppress(NotNow, StoreError):
            await self._board.remove(self.me.name)

    @property
    def is_fresh(self) -> bool:
        """Whether the others were heard not long ago: False while the board is away."""
        return self._clock.monotonic() - self._read_at < 2.5 * POST_S

    def nudge(self) -> None:
        """Something changed that the others should know soon."""
        self._nudged.set()

    def posts(self) -> list[GatewayPost]:
        """The last words of every other gateway."""
        is_known = self._clock.monotonic() - self._read_at < KEEP_S
        return list(self._posts.values()) if is_known else []

    def elsewhere(self) -> Mapping[str, WorkerPost]:
        """Workers that are connected to other gateways, by id."""
        return self._workers if self.posts() else {}

    async def look(self) -> None:
        """Read what the others say now; what they said last stands when the board is away."""
        try:
            found = await self._board.read()
        except (NotNow, StoreError) as error:
            _log.warning("what other gateways say cannot be read: %s", error)
            return
        found.pop(self.me.name, None)
        if found != self._texts:
            self._posts = {name: post for name, text in found.items() if (post := self._read(name, text))}
            self._workers = {worker.id: worker for post in self._posts.values() for worker in post.workers}
            self._texts = found
        self._read_at = self._clock.monotonic()
        for listener in self.on_read:
            listener()

    async def turn(self, *, anew: bool = True) -> None:
        """Post once and read once; with `anew` our workers are described as they are now."""
        more = {name: msgspec.Raw(msgspec.json.encode(said())) for name, said in self.more.items()}
        if anew or self._clock.monotonic() >= self._describe_at:
            self._describe()
        me = self.me
        mine = _Words(name=me.name, version=me.version, since=me.since, workers=self._described, more=more)
        try:
            await self._board.post(self.me.name, msgspec.json.encode(mine), keep_s=KEEP_S)
        except (NotNow, StoreError) as error:
            _log.warning("other gateways cannot be told of this one: %s", error)
        await self.look()

    async def _work(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POST_S):
                    await self._nudged.wait()
            await asyncio.sleep(SOON_S + self._crowd_s / 10)  # what comes together is told together
            is_news = self._nudged.is_set()
            self._nudged.clear()
            await self.turn(anew=is_news)

    def _describe(self) -> None:
        workers = self.workers()
        self._described = msgspec.Raw(msgspec.json.encode(workers))
        self._crowd_s = EACH_S * len(workers)
        self._describe_at = self._clock.monotonic() + self._crowd_s

    def _read(self, name: str, text: bytes) -> GatewayPost | None:
        """The words of one gateway, those that we know where they are the same."""
        return self._posts.get(name) if self._texts.get(name) == text else _post(text)


def _post(text: bytes) -> GatewayPost | None:
    try:
        return msgspec.json.decode(text, type=GatewayPost)
    except msgspec.MsgspecError:
        return None  # the words of a newer gateway, perhaps
