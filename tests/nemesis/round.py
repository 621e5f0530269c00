"""One round: the town is started, loaded and struck by the plan; when all is quiet the evidence is judged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from tests.nemesis import gathering
from tests.nemesis.checking import Evidence, Struck, broken
from tests.nemesis.load import Load
from tests.nemesis.plan import WORKERS, Fault
from tests.nemesis.record import Record
from tests.nemesis.town import Town

START_S = 60.0
RATE = 60.0


async def play(
    plan: list[Fault],
    folder: Path,
    *,
    seed: int,
    length_s: float,
    rate: float = RATE,
    workers: Sequence[str] = WORKERS,
) -> Evidence:
    """Play the plan in a fresh folder; what was seen."""
    town, record = Town(folder, workers=workers), Record(folder / "record.ndjson")
    ledger, faults = folder / "ledger", list[Struck]()
    try:
        await town.start()
        await gathering.watch(town.database)
        load = Load(tuple(town.gateways.values()), record, ledger=str(ledger), seed=seed, rate=rate)
        await load.until_known(START_S)
        async with asyncio.TaskGroup() as group:
            group.create_task(load.run())
            await _strike(town, plan, faults, length_s=length_s)
            load.end()
        await gathering.until_quiet(town.database)
        rows, archived, rewritten = await gathering.rows(town.database)
    finally:
        await town.stop()
        record.close()
    steps = gathering.steps(ledger)
    return Evidence(
        record=record.entries, steps=steps, rows=rows, archived=archived, rewritten=rewritten, faults=faults
    )


async def _strike(town: Town, plan: list[Fault], faults: list[Struck], *, length_s: float) -> None:
    """Every fault at its moment; two on one target one after the other."""
    locks: dict[str, asyncio.Lock] = {}
    began = time.monotonic()

    async def strike(fault: Fault) -> None:
        await asyncio.sleep(max(0.0, began + fault.at_s - time.monotonic()))
        async with locks.setdefault(fault.target, asyncio.Lock()):
            began_at = time.time()
            await town.suffer(fault)
            struck = Struck(action=fault.action, target=fault.target, began_at=began_at, healed_at=time.time())
            faults.append(struck)

    async with asyncio.TaskGroup() as group:
        for fault in plan:
            group.create_task(strike(fault))
        await asyncio.sleep(length_s)


def report(evidence: Evidence) -> str:
    """What was judged, in a line, and every broken promise."""
    counts = dict.fromkeys(("succeeded", "failed", "cancelled", "timed_out"), 0)
    for row in evidence.rows.values():
        counts[row.status] = counts.get(row.status, 0) + 1
    again = sum(len(row.attempts) > 1 for row in evidence.rows.values())
    found = broken(evidence)
    head = f"{len(evidence.rows)} runs {counts}, {again} with more than one attempt, {len(evidence.faults)} faults"
    return "\n".join([head, f"{len(found)} promises broken", *found[:40]])
