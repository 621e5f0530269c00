"""The scheduler's Redis: the verbs that the bridge needs, each of them one step there.

Everything that must happen together is a script (`*.lua`). Failures come as `Unavailable`; the bridge waits and goes
on, because nothing is acknowledged before it is safe with us.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from itertools import chain
from typing import Any

from taskgate.bridges.streams.names import CONSUMER, Names, dead_letters
from taskgate.errors import Unavailable
from taskgate.ids import is_id

CONNECT_S = 3.0
ANSWER_S = 10.0
MAX_FIELDS = 1000
MAX_CANCELLED = 100_000  # orders that were cancelled before they were read, the newest
SCAN = 500
LOST = "\ufffd"


Entries = list[tuple[str, bytes, dict[bytes, bytes]]]


def connect(url: str) -> Any:
    """A client of the scheduler's Redis; it connects when it is first used, and again whenever that is needed."""
    from redis.asyncio import Redis

    return Redis.from_url(url, socket_connect_timeout=CONNECT_S, socket_timeout=ANSWER_S, protocol=2)


@contextmanager
def answering() -> Iterator[None]:
    """Turns what goes wrong with the server into Unavailable."""
    from redis.exceptions import RedisError

    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        detail = f"the scheduler's Redis does not answer: {type(error).__name__}"
        raise Unavailable(detail, code="SCHEDULER_AWAY") from error


class Scheduler:
    """Entries out of the streams, verdicts and results into them."""

    def __init__(self, client: Any, names: Names) -> None:
        self.client = client
        self.names = names
        self._accept = client.register_script(_script("accept"))
        self._cancel = client.register_script(_script("cancel"))
        self._refuse = client.register_script(_script("refuse"))
        self._finish = client.register_script(_script("finish"))

    async def streams(self, pattern: str) -> list[str]:
        """The streams whose keys fit a pattern, sorted; a key without `*` is there in any case. One that is no text is
        nobody's."""
        if "*" not in pattern:
            return [pattern]
        with answering():
            found = [_text(key) async for key in self.client.scan_iter(pattern, count=SCAN, _type="stream")]
        return sorted(key for key in found if LOST not in key)

    async def cancelled(self, order_id: str, *, keep_s: float) -> str:
        """Our run of an order that was cancelled; empty: there is none yet. The cancel is remembered for `keep_s`."""
        own = self.names.own
        with answering():
            found = await self._cancel(
                keys=[own("by_order"), own("cancelled")], args=[order_id, int(keep_s), MAX_CANCELLED]
            )
        return _text(found)

    async def join(self, stream: str, group: str, *, start: str = "0") -> None:
        """Make the consumer group unless it is there; its stream as well."""
        from redis.exceptions import ResponseError

        with answering():
            try:
                await self.client.xgroup_create(stream, group, id=start, mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    async def accept(
        self, stream: str, entry_id: bytes, *, run_id: str, order_id: str, is_cancelled: bool = False
    ) -> bool:
        """The entry is a run now, and the run is durable. False: the scheduler has cancelled it already, and the entry
        stays until that is done too (`is_cancelled`)."""
        own = self.names.own
        with answering():
            return bool(
                await self._accept(
                    keys=[own("open"), own("logs"), own("by_order"), own("cancelled"), stream],
                    args=[run_id, order_id, self.names.group, entry_id, int(is_cancelled)],
                )
            )

    async def refuse(self, stream: str, entry_id: bytes, *, fields: Mapping[bytes, bytes], oldest: str) -> None:
        """The entry is a dead letter now; `fields` hold the reason too, `oldest` is the first id that is kept."""
        few = dict(list(fields.items())[:MAX_FIELDS])
        arguments = [self.names.group, entry_id, oldest, *chain.from_iterable(few.items())]
        with answering():
            await self._refuse(keys=[stream, dead_letters(stream)], args=arguments)

    async def finish(self, run_id: str, result: Mapping[str, str], *, keep_s: float) -> bool:
        """Put a result back; False when it was back already."""
        own, order_id = self.names.own, result["run_id"]
        with answering():
            return bool(
                await self._finish(
                    keys=[own("open"), own("by_order"), self.names.done(run_id), self.names.results],
                    args=[run_id, order_id, int(keep_s), *chain.from_iterable(result.items())],
                )
            )

    async def kept(self, what: str) -> AsyncIterator[dict[str, str]]:
        """Our runs in a hash of our own (`open` or `logs`), page by page: run id to the scheduler's id. What somebody
        else put there is passed over."""
        cursor: Any = 0
        while True:
            with answering():
                cursor, page = await self.client.hscan(self.names.own(what), cursor, count=SCAN)
            runs = {_text(run_id): _text(order_id) for run_id, order_id in page.items()}
            if ours := {run_id: order_id for run_id, order_id in runs.items() if is_id(run_id)}:
                yield ours
            if cursor == 0:
                return


async def cancelled_of(scheduler: Scheduler, order_ids: Sequence[str]) -> set[str]:
    """Which of these orders were cancelled before their entries became runs."""
    with answering():
        moments = await scheduler.client.zmscore(scheduler.names.own("cancelled"), list(order_ids))
    return {order_id for order_id, at in zip(order_ids, moments, strict=True) if at is not None}


async def read(
    scheduler: Scheduler, places: Mapping[str, bytes | str], *, group: str, limit: int = 100, block_s: float = 0.0
) -> Entries:
    """Entries of the group by stream: new ones (place `>`), or, behind a place, those that this consumer was given and
    did not acknowledge. An entry that was deleted meanwhile has no fields."""
    if not places:
        return []
    block_ms = int(block_s * 1000) or None
    with answering():
        found = await scheduler.client.xreadgroup(group, CONSUMER, dict(places), count=limit, block=block_ms)
    return [(key.decode(), entry_id, fields or {}) for key, entries in found or () for entry_id, fields in entries]


def _text(value: bytes) -> str:
    """The text that bytes say; what is none is marked as `LOST`."""
    return value.decode(errors="replace")


def _script(name: str) -> str:
    return (files(__package__) / f"{name}.lua").read_text(encoding="utf-8")
