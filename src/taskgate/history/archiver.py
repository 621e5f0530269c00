"""Putting ended runs away: copied soon after their end, taken out of the ledger only when the archive has them.

    ended ──delay_s──▶ copied ──keep_ended_s──▶ asked for again ──it is there──▶ purged ──keep_s──▶ forgotten
                          │ the archive is away                      │ it is not there
                          └── tried again, the backlog grows         └── copied first

Nothing of this is on the way of a submit or of a result: no outbox and no mark is written when a run ends, the index of
ends is enough. Two walks along it do the work. `copy` goes on from where it was and makes history fresh; it may miss a
run whose end was committed late, behind its back. `purge` does not trust it: every page is compared with the archive,
what is lacking is copied, and only then are these very ids removed. So a run leaves the ledger only after its copy is
durable, whatever was killed in between, and a copy made twice changes nothing.

One gateway does it at a time: it leads the duty `archiver`. That saves work and no more; two that believed to lead
would copy the same runs and remove the same ids. Copying is paced to a fifth of the time, so that a burst of ends is
not slowed by its own history; a walk that begins anew (a restart, another leader) asks the archive which runs it has
and copies only the others.

An archive that is away, slow or full delays copying and purging, and nothing else; `backlog_s` says by how much.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from taskgate.clock import Clock
from taskgate.errors import TaskgateError
from taskgate.history.packing import Appetite
from taskgate.history.ports import BEGINNING, EndedRuns, RunArchive
from taskgate.history.settings import ArchiveSettings
from taskgate.ids import new_token
from taskgate.journal.ports import Journal
from taskgate.lifespan import TaskSet
from taskgate.runs.ports import Leadership, RunBook

_log = logging.getLogger(__name__)
DUTY = "archiver"
TERM_S = 30.0
PAGE = 500
PURGE_PAGES = 20  # in one go, so that copying is not kept waiting
IDLE_S = 1.0
PURGE_EVERY_S = 60.0
RESTS_FOR_EACH = 4.0  # seconds of rest for each second of work
LONGEST_REST_S = 2.0
AWAY_S = 2.0
TELL_EVERY_S = 60.0


class Archiver:
    """Copies, purges and forgets. `keep_ended_s` is how long the ledger keeps an ended run, 0 for ever.

    A gateway that is always alone has a `name`, so that it leads again at once after a crash.
    """

    def __init__(
        self,
        archive: RunArchive,
        ended: EndedRuns,
        *,
        book: RunBook,
        journal: Journal,
        leadership: Leadership,
        clock: Clock,
        settings: ArchiveSettings,
        keep_ended_s: float,
        name: str = "",
    ) -> None:
        self._archive = archive
        self._ended = ended
        self._book = book
        self._journal = journal
        self._leadership = leadership
        self._clock = clock
        self._settings = settings
        self._keep_ended_s = keep_ended_s
        self._name = name or new_token()
        self._place = BEGINNING
        self._appetite = Appetite()
        self._campaign_at = self._purge_at = self._tell_at = 0.0
        self._is_caught_up = True
        self.copied_count = 0
        self.failure_count = 0
        self.tasks = TaskSet()

    async def start(self) -> None:
        self._purge_at = self._clock.monotonic() + min(PURGE_EVERY_S, self._settings.delay_s + IDLE_S)
        self.tasks.spawn(self._work(), name="archiver")

    async def stop(self) -> None:
        await self.tasks.close()
        try:
            await self._leadership.resign(DUTY, self._name)
        except TaskgateError as error:
            _log.warning("the archiver's duty ends by itself: %s", error)

    @property
    def backlog_s(self) -> float:
        """How far copying is behind, in seconds; 0 when it is not, or when another gateway does it."""
        if self._is_caught_up or self._place is BEGINNING:
            return 0.0
        return max(0.0, self._clock.now() - self._settings.delay_s - self._place.ended_at)

    async def keep(self, run_ids: Sequence[str]) -> int:
        """Copy these runs, those that have ended; returns how many. When this returns the archive has them."""
        count = 0
        while run_ids:
            chosen, run_ids = run_ids[: self._appetite.count], run_ids[self._appetite.count :]
            runs = [run for run in await self._book.get(chosen) if run is not None and run.ended_at is not None]
            self._appetite.taken(runs)
            await self._archive.record(runs)
            count += len(runs)
        self.copied_count += count
        return count

    async def copy(self) -> bool:
        """One page of the walk that makes history fresh; whether there was one."""
        until = self._clock.now() - self._settings.delay_s
        refs = await self._ended.ended(self._place, until=until, limit=PAGE)
        if refs:
            await self.keep(await self._archive.lacking(refs))
            self._place = refs[-1].place
        self._is_caught_up = len(refs) < PAGE
        return bool(refs)

    async def purge(self) -> int:
        """Take out of the ledger what ended long ago and is in the archive, some pages of it; returns how many."""
        count = 0
        before = self._clock.now() - self._keep_ended_s
        for _ in range(PURGE_PAGES if self._keep_ended_s else 0):
            refs = await self._ended.ended(BEGINNING, until=before, limit=PAGE)
            if not refs:
                break
            await self.keep(await self._archive.lacking(refs))
            ids = [ref.id for ref in refs]
            await self._journal.purge(ids)  # first: a crash in between leaves a run, which is purged again
            gone = await self._book.remove(ids)
            count += len(gone)
        return count

    async def forget(self) -> int:
        """Delete from the archive what ended before its own retention; returns how many."""
        count = 0
        for _ in range(PURGE_PAGES if self._settings.keep_s else 0):
            gone = await self._archive.purge(self._clock.now() - self._settings.keep_s, PAGE)
            count += gone
            if gone < PAGE:
                break
        return count

    async def _work(self) -> None:
        while True:
            rest_s = IDLE_S
            try:
                if await self._leads():
                    rest_s = await self._turn()
                    self._tell_at = 0.0
            except TaskgateError as error:
                self.failure_count += 1
                self._complain(error)
                rest_s = AWAY_S
            await asyncio.sleep(rest_s)

    async def _turn(self) -> float:
        """Do what is due; returns how long to rest."""
        began = self._clock.monotonic()
        if began >= self._purge_at:
            is_done = await self.purge() < PURGE_PAGES * PAGE
            is_done = await self.forget() < PURGE_PAGES * PAGE and is_done
            self._purge_at = self._clock.monotonic() + (PURGE_EVERY_S if is_done else 0.0)
        if not await self.copy():
            return IDLE_S
        return min(LONGEST_REST_S, (self._clock.monotonic() - began) * RESTS_FOR_EACH)

    async def _leads(self) -> bool:
        """Whether the duty is ours; asked of the store only when a third of the term has gone by."""
        now = self._clock.monotonic()
        if now >= self._campaign_at:
            if await self._leadership.campaign(DUTY, self._name, duration_s=TERM_S) is None:
                self._place, self._is_caught_up = BEGINNING, True
                return False
            self._campaign_at = now + TERM_S / 3
        return True

    def _complain(self, error: Exception) -> None:
        """Once a minute, with how far behind we are."""
        now = self._clock.monotonic()
        self._is_caught_up = False
        if now >= self._tell_at:
            self._tell_at = now + TELL_EVERY_S
            _log.warning("ended runs are not archived (%.0f s behind), nothing is purged: %s", self.backlog_s, error)
