"""What idle workers cost two gateways on PostgreSQL and Redis: memory, CPU, statements, rows written, Redis commands.

They are connected to one of the two; the other only hears of them. What both gateways do while nobody is connected is
measured first, for as long, and told apart: leaderships, the board and readings again go on with or without workers.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from benchmarks.counting import SETTLE_S, counted
from benchmarks.driver import Driver
from benchmarks.idle import HEARTBEAT_S, SPARE_FDS, WORKERS, open_files
from benchmarks.installations import Installation, installed
from benchmarks.places import DRIVING
from benchmarks.processes import Processes
from benchmarks.progress import say
from benchmarks.tables import Goal, Section
from benchmarks.usage import cpu_s, resident_bytes

QUICK_WORKERS = 500
Sample = dict[str, float]
HEADS = (
    "idle workers", "KiB each", "CPU of a core, theirs", "the other's", "heartbeats", "answered", "statements/s",
    "rows written/s", "Redis commands/s",
)  # fmt: skip


def measure_idle_shared(processes: Processes, run: Path, *, is_quick: bool) -> Section:
    """Watch two gateways without workers, connect them, and watch again."""
    count = min(QUICK_WORKERS if is_quick else WORKERS, open_files() - SPARE_FDS)
    window_s = HEARTBEAT_S * (1 if is_quick else 3)
    with installed(processes, run, gateway_count=2, is_embedded=False) as installation:
        first = installation.gateways[0]
        told = {**first.environment, "PYTHONPATH": str(DRIVING)}
        process = processes.start("crowd", [sys.executable, DRIVING / "crowd.py"], environment=told, is_driver=True)
        crowd = Driver(process)
        try:
            crowd.ask({"do": "watch", "seconds": 1}, timeout_s=30)
            say(f"gateways: idle, nobody connected for {window_s:.0f} s")
            alone = _watched(installation, crowd, window_s)
            memory_before = resident_bytes(first.process.pid)
            say(f"gateways: idle, {count:,} workers connect")
            crowd.ask({"do": "connect", "count": count, "interval_s": HEARTBEAT_S}, timeout_s=180)
            crowd.ask({"do": "watch", "seconds": HEARTBEAT_S}, timeout_s=60)
            each_kib = (resident_bytes(first.process.pid) - memory_before) / count / 1024
            say(f"gateways: idle, {count:,} workers for {window_s:.0f} s")
            full = {**_watched(installation, crowd, window_s), "workers": count, "kib_each": each_kib}
            installation.check()
        finally:
            processes.stop(process)
    return _section(alone, full)


def _watched(installation: Installation, crowd: Driver, window_s: float) -> Sample:
    """Both gateways and both servers for so many seconds."""
    assert installation.postgres is not None
    assert installation.redis is not None
    pids = [door.process.pid for door in installation.gateways]
    time.sleep(SETTLE_S)
    before, begun, used = counted(installation.postgres, installation.redis), time.monotonic(), list(map(cpu_s, pids))
    seen = crowd.ask({"do": "watch", "seconds": window_s}, timeout_s=window_s + 30)
    shares = [after - earlier for after, earlier in zip(map(cpu_s, pids), used, strict=True)]
    elapsed_s = time.monotonic() - begun
    asked = counted(installation.postgres, installation.redis).since(before)
    return {
        "share": shares[0] / elapsed_s,
        "other_share": shares[1] / elapsed_s,
        "statements": asked.statements / elapsed_s,
        "rows": asked.written_rows / elapsed_s,
        "written_rows": asked.written_rows,
        "commands": asked.commands / elapsed_s,
        "beats": seen["beats"],
        "answered": seen["acks"],
        "lost": seen["lost"],
    }


def _row(sample: Sample) -> list[str]:
    each = f"{sample['kib_each']:.1f}" if "kib_each" in sample else "–"
    return [
        f"{sample.get('workers', 0):,.0f}",
        each,
        f"{sample['share']:.1%}",
        f"{sample['other_share']:.1%}",
        f"{sample['beats']:,.0f}",
        f"{sample['answered']:,.0f}",
        *(f"{sample[name]:.1f}" for name in ("statements", "rows", "commands")),
    ]


def _section(alone: Sample, full: Sample) -> Section:
    count, beats, answered = full["workers"], full["beats"], full["answered"]
    is_well = not full["lost"] and answered >= beats * 0.99
    notes = [f"a heartbeat every {HEARTBEAT_S:.0f} s each; both gateways' questions together"]
    if not is_well:
        notes.append(f"NOT WELL: {full['lost']:.0f} connections lost, {beats - answered:.0f} heartbeats unanswered")
    more = max(0.0, full["written_rows"] - alone["written_rows"])
    title = f"{count:,.0f} idle workers, PostgreSQL + Redis"
    return Section(
        title=f"Idle: {title}",
        heads=HEADS,
        rows=[_row(alone), _row(full)],
        notes=notes,
        goals=[
            Goal(
                title=f"{title}: memory each",
                wanted="≤ 40 KiB",
                measured=f"{full['kib_each']:.1f} KiB",
                is_met=full["kib_each"] <= 40,
            ),
            Goal(
                title=f"{title}: CPU",
                wanted="≤ 5 % of a core for 5,000",
                measured=f"{full['share']:.1%}",
                is_met=full["share"] <= 0.05 * count / WORKERS,
            ),
            Goal(
                title=f"{title}: rows written for heartbeats",
                wanted="0",
                measured=f"{more:.0f} in {beats:,.0f}",
                is_met=more <= 2 and is_well,
            ),
        ],
        samples={"alone": alone, "full": full},
    )
