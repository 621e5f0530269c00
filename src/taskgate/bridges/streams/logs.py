"""Journals of the bridge's runs go to the scheduler's log streams, line by line, without a gap or a repeat.

A line's id in its stream is its number in the journal (`SEQ-0`), which Redis takes once and in order only: whoever
goes on after a crash sends from where the stream ends. A run stands in `logs` until its last line is there.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing

from taskgate.bridges.settings import StreamsSettings
from taskgate.bridges.streams.answers import line_of
from taskgate.bridges.streams.scheduler import Scheduler, answering
from taskgate.errors import NotFound, NotNow, StoreError
from taskgate.journal.page import Page
from taskgate.journal.reading import RunJournal
from taskgate.lifespan import TaskSet
from taskgate.runs.ports import RunBook

_log = logging.getLogger(__name__)
AT_ONCE = 1000
KINDS = frozenset({"log", "progress"})


class LogCarrier:
    """Follows the journals of open runs, at most `AT_ONCE` of them together."""

    def __init__(self, scheduler: Scheduler, journal: RunJournal, *, book: RunBook, settings: StreamsSettings) -> None:
        self._scheduler = scheduler
        self._book = book
        self._journal = journal
        self._settings = settings
        self._following: set[str] = set()
        self.tasks = TaskSet()

    async def sweep(self) -> None:
        """Begin to follow what is not followed yet; what was purged is let go, or it would be followed for ever."""
        async for page in self._scheduler.kept("logs"):
            glances = await self._book.glance(list(page))
            gone = [run_id for run_id, seen in zip(page, glances, strict=True) if seen is None]
            if gone:
                with answering():
                    await self._scheduler.client.hdel(self._scheduler.names.own("logs"), *gone)
            for run_id, order_id in page.items():
                if run_id in gone:
                    continue
                if len(self._following) >= AT_ONCE:
                    return
                self.begin(run_id, order_id)

    def begin(self, run_id: str, order_id: str) -> None:
        """Follow a run's journal to its end."""
        if run_id not in self._following:
            self._following.add(run_id)
            self.tasks.spawn(self._follow(run_id, order_id), name=f"log of {run_id}")

    async def stop(self) -> None:
        """Let go of every journal; the next sweep, here or elsewhere, goes on."""
        await self.tasks.close()

    async def _follow(self, run_id: str, order_id: str) -> None:
        try:
            stream = self._scheduler.names.logs(order_id)
            after = await self._reached(stream)
            async with aclosing(self._journal.follow(run_id, after)) as pages:
                async for page in pages:
                    await self._send(stream, page)
            with answering():
                await self._scheduler.client.hdel(self._scheduler.names.own("logs"), run_id)
        except (NotNow, StoreError, NotFound) as error:
            _log.debug("the log of %s waits: %s", run_id, error)
            await asyncio.sleep(1.0)
        finally:
            self._following.discard(run_id)

    async def _reached(self, stream: str) -> int:
        """The number of the last line that is there."""
        with answering():
            last = await self._scheduler.client.xrevrange(stream, count=1)
        return int(last[0][0].split(b"-")[0]) if last else 0

    async def _send(self, stream: str, page: Page) -> None:
        lines = [entry for entry in page if entry.kind in KINDS]
        if not lines:
            return
        with answering():
            pipeline = self._scheduler.client.pipeline(transaction=True)
            for entry in lines:
                pipeline.xadd(stream, line_of(entry), id=f"{entry.seq}-0")
            pipeline.expire(stream, int(self._settings.keep_s))
            outcomes = await pipeline.execute(raise_on_error=False)
        for outcome in outcomes:
            if isinstance(outcome, Exception) and "equal or smaller" not in str(outcome):
                with answering():
                    raise outcome
