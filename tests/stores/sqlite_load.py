"""A child process that lives to be killed: load on a SQLite store, with its own append-only record of every verdict.

`python -m tests.stores.sqlite_load FOLDER RECORD FAILPOINT`. What an earlier life asked and was not answered is
asked again first. A record line is `asked|told VERB RUN_ID [VERDICT]`, written before the next step begins.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from taskgate.clock import SystemClock
from taskgate.ids import new_id
from taskgate.runs.ports import Grant
from taskgate.runs.run import Run, Status, Tenant
from taskgate.runs.task import QueueKey
from taskgate.stores.sqlite.store import SqliteStore
from taskgate.testing.failpoints import probe_of
from taskgate.testing.stage import success

CLIENTS = 24


def output_of(run_id: str) -> bytes:
    """What a run ends with: checkable by whoever knows its id."""
    return f'{{"of":"{run_id}"}}'.encode()


class Record:
    """What this client asked and was told; survives the process."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(self, *words: str) -> None:
        os.write(self._descriptor, (" ".join(words) + "\n").encode())


def unanswered(path: Path) -> list[str]:
    """Ids of runs that an earlier life did not bring to their end."""
    lines = path.read_text().splitlines() if path.exists() else []
    asked = dict.fromkeys(line.split()[2] for line in lines)
    ended = {line.split()[2] for line in lines if line.startswith("told apply")}
    return [run_id for run_id in asked if run_id not in ended]


async def live(store: SqliteStore, record: Record, run_ids: Iterator[str]) -> None:
    """Take runs from the beginning to the end, for ever."""
    for run_id in run_ids:
        run = Run(
            id=run_id,
            tenant=Tenant(site_id="site-a"),
            task="text.echo",
            definition="d" * 32,
            queue=QueueKey("text.echo"),
            input=b"x" * 1024,
            status=Status.QUEUED,
            created_at=1.0,
            idempotency_key=run_id,
            body_digest="same",
        )
        record.note("asked", "add", run_id)
        added = (await store.ledger.add([run], {run_id: Grant(holder="w", token=run_id, duration_s=60)}))[0]
        record.note("told", "add", run_id, added.verdict.value)
        if added.run.lease is None:
            leased = (await store.book.get([run_id]))[0]
            record.note("told", "apply", run_id, "replayed" if leased and not leased.is_open else "lost")
            continue
        record.note("asked", "apply", run_id)
        move = success(added.run, 2.0, output=output_of(run_id))
        verdict = (await store.ledger.apply([move]))[0]
        record.note("told", "apply", run_id, verdict.value)


async def main(folder: Path, path: Path, failpoint: str) -> None:
    earlier = unanswered(path)
    store = SqliteStore(folder, clock=SystemClock(), probe=probe_of(failpoint))
    await store.start()
    print("ready", flush=True)
    record = Record(path)
    run_ids = itertools.chain(earlier, iter(new_id, ""))
    await asyncio.gather(*(live(store, record, run_ids) for _ in range(CLIENTS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
