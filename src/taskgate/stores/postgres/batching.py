"""Group commits: what is asked of one verb in one turn of the loop goes to the database as one statement.

    waiting ──end of the turn, a lane is free──▶ performing ──▶ told
       │                                            ├ contended: the same again, for some of it may have been done
       │                                            ├ the connection is lost: nobody knows whether it was committed, so
       │                                            │   the same again on a new one, told that it is asked `again`
       │                                            ├ one item's fault: every item alone, so that only the guilty fails
       └── the database hangs ◀─────────────────────┘ patience ends: all of it, and all that waits, is `Unavailable`

Batches grow by themselves with the load: while the lanes of a verb are busy, what comes gathers. Calls that nobody
has answered yet are concurrent, so lanes may overtake each other; whoever needs an order waits for the answer first.

Nothing is told before the statement has returned, and it returns after its commit is on disk (INV-T2). A lost commit
is resolved by performing the batch once more: each verb's statement is guarded, waits for what is still under way,
and finds by its mark, token or id what it did before. If that does not come about in time the callers hear
`Unavailable`: the work may be done or not, and asking again with the same ids and keys is safe either way.
A cancelled caller withdraws nothing.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from taskgate.errors import StoreError, TaskgateError, Unavailable
from taskgate.lifespan import TaskSet
from taskgate.stores.postgres.failures import is_contended, is_general, is_lost, translated
from taskgate.stores.postgres.pool import Connection, Pool, is_over

_log = logging.getLogger(__name__)
BATCH_LIMIT = 1024  # weight that one batch takes on
BACKLOG_LIMIT = 50_000  # weight that may wait
CONTENDED_LIMIT = 10
PAUSE_S = 0.1

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
Probe = Callable[[str], None]


class Batch(Generic[Item]):
    """What is asked together. `mark` is this batch's own number; `again`: it may have been performed before, wholly or
    in part."""

    __slots__ = ("again", "items", "mark")

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.mark = secrets.randbits(61)
        self.again = False


Perform = Callable[[Connection, Batch[Item]], Awaitable[Sequence[Outcome]]]
_Call = tuple[Any, "asyncio.Future[Any]", int]


class Batcher(Generic[Item, Outcome]):
    """One verb's way into the database, with so many lanes. `perform` gives one outcome per item; it may fail, never
    half: what it has done counts, what it says is told."""

    def __init__(
        self, pool: Pool, perform: Perform[Item, Outcome], *, lanes: int = 1, probe: Probe | None = None
    ) -> None:
        self._pool = pool
        self._perform = perform
        self._lanes = lanes
        self._probe = probe
        self._waiting: deque[_Call] = deque()
        self._weight = 0
        self._busy = 0
        self._kicked = False
        self._open = False
        self.tasks = TaskSet()

    async def start(self) -> None:
        """Take calls from now on."""
        self._open = True

    async def stop(self) -> None:
        """Refuse what comes, and let what is under way end; patience bounds it."""
        self._open = False
        while self._waiting or self._busy:
            await self.tasks.rest(60.0)
            await asyncio.sleep(0)  # what was asked in this very turn of the loop has no task yet
        await self.tasks.close()

    def submit(self, item: Item, *, weight: int = 1) -> asyncio.Future[Outcome]:
        """Have an item performed with others; the outcome is durable when the future has it.

        `weight` is how many ordinary items it stands for. Fails with Unavailable, StoreError or InvalidInput.
        """
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        if not self._open:
            future.set_exception(StoreError("the store is closed", code="STORE_CLOSED"))
        elif (refused := self._pool.guard.refusal()) is not None:
            future.set_exception(refused)
        elif self._weight >= BACKLOG_LIMIT:
            future.set_exception(Unavailable("the store is far behind", code="STORE_BEHIND", retry_after_s=1.0))
        else:
            self._weight += weight
            self._waiting.append((item, future, weight))
            self._kick()
        return future

    def _kick(self) -> None:
        if not self._kicked and self._waiting and self._busy < self._lanes:
            # At the end of this turn of the loop, so that all that this turn submits is one batch.
            self._kicked = True
            asyncio.get_running_loop().call_soon(self._launch)

    def _launch(self) -> None:
        self._kicked = False
        while self._waiting and self._busy < self._lanes:
            self._busy += 1
            self.tasks.spawn(self._work(self._take()), name="database batch")

    def _take(self) -> list[_Call]:
        calls: list[_Call] = []
        weight = 0
        while self._waiting and weight < BATCH_LIMIT:
            calls.append(self._waiting.popleft())
            weight += calls[-1][2]
        self._weight -= weight
        return calls

    async def _work(self, calls: list[_Call]) -> None:
        task = asyncio.ensure_future(self._outcomes([call[0] for call in calls]))
        try:
            if await is_over(task, self._pool.patience_s):
                _tell(calls, task.result())
            else:
                self._give_up(calls)
        except Exception as error:
            _tell(calls, [_own_copy(error) for _ in calls])
        finally:
            task.cancel()
            self._busy -= 1
            self._kick()

    def _give_up(self, calls: list[_Call]) -> None:
        """A database that hangs answers nobody: whoever waits behind this batch need not wait as long again."""
        calls += self._waiting
        self._waiting.clear()
        self._weight = 0
        slow = Unavailable("the database does not answer", code="STORE_SLOW", retry_after_s=1.0)
        _tell(calls, [_own_copy(slow) for _ in calls])

    async def _outcomes(self, items: list[Item]) -> list[Any]:
        """One outcome or error per item."""
        batch = Batch(items)
        try:
            outcomes = list(await self._attempt(batch))
        except Exception as error:
            if is_general(error) or isinstance(error, TaskgateError):
                raise
            if len(items) == 1:
                return [translated(error)]
            return [outcome for item in items for outcome in await self._outcomes([item])]
        if self._probe is not None:
            self._probe("after_commit")
        return outcomes

    async def _attempt(self, batch: Batch[Item]) -> Sequence[Outcome]:
        is_sent = False

        async def work(connection: Connection) -> Sequence[Outcome]:
            nonlocal is_sent
            is_sent = True
            if self._probe is not None:
                self._probe("before_commit")
            return await self._perform(connection, batch)

        contended_count = 0
        while True:
            try:
                return await self._pool.perform(work)
            except Exception as error:
                if is_contended(error) and contended_count < CONTENDED_LIMIT:
                    contended_count += 1
                    batch.again = True  # of several statements only the last has given way
                elif is_sent and is_lost(error):
                    batch.again = True
                    await asyncio.sleep(PAUSE_S)
                elif batch.again and isinstance(translated(error), Unavailable):
                    await asyncio.sleep(PAUSE_S)
                else:
                    raise


def _tell(calls: list[_Call], outcomes: Sequence[Any]) -> None:
    for (_, future, _), outcome in zip(calls, outcomes, strict=True):
        if future.done():
            continue
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


def _own_copy(error: BaseException) -> TaskgateError:
    """Every caller raises an instance of its own, so that tracebacks do not pile up on a shared one."""
    ours = translated(error)
    copy: TaskgateError
    if isinstance(ours, Unavailable):
        copy = Unavailable(ours.detail, code=ours.code, retry_after_s=ours.retry_after_s)
    elif isinstance(ours, StoreError):
        copy = StoreError(ours.detail, code=ours.code)
    else:
        return ours
    copy.__cause__ = ours.__cause__
    return copy
