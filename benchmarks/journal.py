"""How many log lines a second go from a running task into its journal and on to ten live readers.

One real task logs as fast as it can; ten connections follow its journal over Server-Sent Events meanwhile. The
clock runs from the task's first line to the last line at the last reader. A reader that misses a line, gets one
twice or out of order, makes the figure worthless, and the goal missed.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.driver import Driver
from benchmarks.places import DRIVING
from benchmarks.processes import Processes, Trouble
from benchmarks.progress import say
from benchmarks.systems import SYSTEMS, raised
from benchmarks.tables import Goal, Section, median, percentile, spread
from benchmarks.usage import cpu_s

READERS = 10
LINES = 100_000
QUICK_LINES = 20_000
LEAD_S = 1.5  # for the readers to be there before the first line
READ_S = 60.0
GOAL_PER_S = 50_000
HEADS = ("round", "lines/s", "task's own lines/s", "lag p50 ms", "lag p99 ms", "gateway CPU µs/line", "in order")

Sample = dict[str, Any]


def measure_journal(processes: Processes, run: Path, *, rounds: int, count: int = 0, is_quick: bool = False) -> Section:
    """One row per round, every round with a gateway and a worker of its own."""
    from taskgate import Client

    wanted = count or (QUICK_LINES if is_quick else LINES)
    system = next(system for system in SYSTEMS if system.key == "taskgate")
    samples = list[Sample]()
    for number in range(1, rounds + 1):
        with raised(processes, run, system) as ensemble:
            told = {**ensemble.door.environment, "PYTHONPATH": str(DRIVING)}
            ensemble.driver.once(1, timeout_s=60)
            command: list[str | Path] = [sys.executable, DRIVING / "readers.py"]
            readers = processes.start("readers", command, environment=told, is_driver=True)
            try:
                client = Client(told["TASKGATE_URL"], told["TASKGATE_API_KEY"])
                client.call("talk", {"count": 200, "begin_at": 0}, wait_s=30)
                samples.append(_flow(client, Driver(readers), ensemble.door.process.pid, run=run, count=wanted))
            finally:
                processes.stop(readers)
        say(f"journal: round {number}/{rounds}: {samples[-1]['rate']:,.0f} lines/s")
    return _section(samples, wanted)


def _flow(client: Any, readers: Driver, gateway: int, *, run: Path, count: int) -> Sample:
    begin_at = time.time() + LEAD_S
    talking = client.submit("talk", {"count": count, "begin_at": begin_at})
    readers.ask({"do": "open", "run": talking.id, "readers": READERS}, timeout_s=30)
    cpu_before, file = cpu_s(gateway), run / "readers.json"
    told = {"do": "read", "timeout_s": READ_S, "count": count, "file": str(file)}
    readers.ask(told, timeout_s=READ_S + 60)
    used_s = cpu_s(gateway) - cpu_before
    spent_s = talking.output(timeout_s=30)
    found = json.loads(file.read_text(encoding="utf-8"))
    wrong = [reader["status"] for reader in found if " 200 " not in f"{reader['status']} "]
    if wrong:
        raise Trouble(f"a reader was answered {wrong[0]!r}")
    lags_s = [lag_s for reader in found for lag_s in reader["lags_s"]]
    return {
        "rate": count / (max(reader["ended_at"] for reader in found) - begin_at),
        "task_rate": count / spent_s,
        "lag_p50_ms": median(lags_s) * 1e3 if lags_s else float("nan"),
        "lag_p99_ms": percentile(lags_s, 0.99) * 1e3 if lags_s else float("nan"),
        "gateway_us": used_s / count * 1e6,
        "good_readers": sum(reader["is_whole"] and reader["is_in_order"] and reader["has_end"] for reader in found),
    }


def _section(samples: list[Sample], count: int) -> Section:
    rows = [
        [
            str(number), f"{sample['rate']:,.0f}", f"{sample['task_rate']:,.0f}", f"{sample['lag_p50_ms']:.0f}",
            f"{sample['lag_p99_ms']:.0f}", f"{sample['gateway_us']:.1f}", f"{sample['good_readers']}/{READERS}",
        ]
        for number, sample in enumerate(samples, 1)
    ]  # fmt: skip
    rate = median([sample["rate"] for sample in samples])
    is_good = all(sample["good_readers"] == READERS for sample in samples)
    scatter = spread([sample["rate"] for sample in samples])
    measured = (
        f"{rate:,.0f}/s" + (f" (spread {scatter})" if scatter else "") + ("" if is_good else ", LINES LOST OR MIXED")
    )
    return Section(
        title=f"Journal: {count:,} log lines of one task, {READERS} live readers",
        heads=HEADS,
        rows=rows,
        notes=["lag: from the task's call to the arrival at a reader, once per received piece"],
        goals=[
            Goal(
                title="journal: lines in, live to ten readers, in order",
                wanted=f"≥ {GOAL_PER_S:,}/s",
                measured=measured,
                is_met=is_good and rate >= GOAL_PER_S,
            )
        ],
        samples=samples,
    )
