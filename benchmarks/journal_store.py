"""The journal's store alone: `python -m benchmarks.journal_store [LINES]`.

50 subjects append batches of 100 lines of 100 bytes as fast as each is acknowledged, every commit synced to disk;
ten readers follow ten of them live, turn each page into events, and prove their journal by its end. The figure is
what the store can take; `python -m benchmarks journal` measures the whole way from a task to readers over HTTP.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

from benchmarks.tables import percentile
from taskgate.edge.http.journal import events_of
from taskgate.journal.entry import Batch, Draft
from taskgate.journal.reading import Ending, RunJournal
from taskgate.stores.sqlite.journal import SqliteJournal

SUBJECTS = 50
BATCH = 100
READERS = 10
TEXT = "x" * 100
GOAL_PER_S = 50_000


class Ends:
    """Ends of subjects, told as they happen."""

    def __init__(self) -> None:
        self._known: dict[str, Ending] = {}
        self._watched: dict[str, list[asyncio.Future[Any]]] = {}

    async def of(self, subject: str) -> Ending | None:
        return self._known.get(subject)

    def watch(self, subject: str) -> asyncio.Future[Any]:
        future = asyncio.get_running_loop().create_future()
        self._watched.setdefault(subject, []).append(future)
        return future

    def end(self, subject: str) -> None:
        self._known[subject] = Ending(status="succeeded", at=time.time())
        for future in self._watched.get(subject, ()):
            if not future.done():
                future.set_result(None)


def batch(subject: str, number: int) -> Batch:
    """The next 100 lines of a subject."""
    first = number * BATCH + 1
    drafts = tuple(Draft(kind="log", at=1e9, text=TEXT, source_seq=seq) for seq in range(first, first + BATCH))
    return Batch(subject=subject, attempt=1, stream="stdout", drafts=drafts)


async def listen(journal: RunJournal, subject: str) -> int:
    """Reads to the end; the count of entries, all in order."""
    seq = 0
    async with aclosing(journal.follow(subject, 0)) as pages:
        async for page in pages:
            if page[0].seq != seq + 1:
                raise SystemExit(f"{subject}: {page[0].seq} after {seq}")
            seq = page[-1].seq
            events_of(page)
    return seq - 1


async def measure(folder: Path, line_count: int) -> str:
    """One line with the figures."""
    store, ends = SqliteJournal(folder), Ends()
    await store.start()
    journal = RunJournal(store, ends)
    turns = max(1, line_count // (SUBJECTS * BATCH))
    subjects = [f"run-{number}" for number in range(SUBJECTS)]
    prepared = {subject: [batch(subject, number) for number in range(turns)] for subject in subjects}
    lags_s: list[float] = []

    async def talk(subject: str) -> None:
        for batches in prepared[subject]:
            begun = time.perf_counter()
            await store.append([batches])
            lags_s.append(time.perf_counter() - begun)
        ends.end(subject)

    readers = [asyncio.ensure_future(listen(journal, subject)) for subject in subjects[::5]]
    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*map(talk, subjects))
    read = await asyncio.gather(*readers)
    spent_s, cpu_s = time.perf_counter() - begun, time.process_time() - cpu
    await store.stop()
    total = turns * SUBJECTS * BATCH
    if read != [turns * BATCH] * READERS:
        raise SystemExit(f"readers got {read}")
    return (
        f"{total / spent_s:,.0f} lines/s (goal {GOAL_PER_S:,}), {cpu_s / total * 1e6:.1f} µs CPU a line, "
        f"acknowledged after {percentile(lags_s, 0.5) * 1e3:.0f} ms p50, {percentile(lags_s, 0.99) * 1e3:.0f} ms p99"
    )


def main() -> None:
    line_count = int(sys.argv[1]) if len(sys.argv) > 1 else 500_000
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            print(asyncio.run(measure(Path(folder), line_count)))


if __name__ == "__main__":
    main()
