"""What thousands of idle workers cost a gateway: memory each, CPU, and writes to the database.

They are simple WebSocket clients in another process. A heartbeat is counted as said and as answered; writes are
transactions in the database's log, of which an empty gateway's own (counted before, for as long) are no heartbeat's.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

from benchmarks.doors import open_gateway
from benchmarks.driver import Driver
from benchmarks.places import DRIVING
from benchmarks.processes import Processes
from benchmarks.progress import say
from benchmarks.tables import Goal, Section
from benchmarks.usage import cpu_s, resident_bytes
from benchmarks.wal import commit_counts, committed_between

WORKERS = 5_000
HEARTBEAT_S = 10.0
SPARE_FDS = 200
HEADS = (
    "idle workers",
    "KiB each",
    "CPU of a core",
    "CPU µs per heartbeat",
    "heartbeats",
    "answered",
    "commits",
    "own",
)


def measure_idle(processes: Processes, run: Path, *, count: int = 0, is_quick: bool = False) -> Section:
    """Connect them, let one interval pass, then watch two (quick: one)."""
    wanted = count or (1_000 if is_quick else WORKERS)
    count = min(wanted, open_files() - SPARE_FDS)
    window_s = HEARTBEAT_S * (1 if is_quick else 2)
    door = open_gateway(processes, run, name="idle-gateway")
    pid = door.process.pid
    told = {**door.environment, "PYTHONPATH": str(DRIVING)}
    crowd = Driver(processes.start("crowd", [sys.executable, DRIVING / "crowd.py"], environment=told, is_driver=True))

    say(f"idle: an empty gateway for {window_s:.0f} s")
    crowd.ask({"do": "watch", "seconds": 1}, timeout_s=30)
    own_before, own_cpu_before = commit_counts(door.folder), cpu_s(pid)
    time.sleep(window_s)
    own = committed_between(own_before, commit_counts(door.folder))
    own_share = (cpu_s(pid) - own_cpu_before) / window_s
    memory_before = resident_bytes(pid)

    say(f"idle: {count:,} workers connect")
    crowd.ask({"do": "connect", "count": count, "interval_s": HEARTBEAT_S}, timeout_s=180)
    crowd.ask({"do": "watch", "seconds": HEARTBEAT_S}, timeout_s=60)
    each_kib = (resident_bytes(pid) - memory_before) / count / 1024

    say(f"idle: {count:,} workers for {window_s:.0f} s")
    cpu_before, commits_before, begun = cpu_s(pid), commit_counts(door.folder), time.monotonic()
    seen = crowd.ask({"do": "watch", "seconds": window_s}, timeout_s=window_s + 30)
    used_s, elapsed_s = cpu_s(pid) - cpu_before, time.monotonic() - begun
    commits = committed_between(commits_before, commit_counts(door.folder))
    door.process.check()
    sample = {
        "workers": count, "kib_each": each_kib, "cpu_share": used_s / elapsed_s, "heartbeats": seen["beats"],
        "answered": seen["acks"], "lost": seen["lost"], "commits": commits, "own_commits": own,
        "own_cpu_share": own_share, "window_s": elapsed_s,
    }  # fmt: skip
    return _section(sample, wanted)


def open_files() -> int:
    """Raise the soft limit of open files, which the gateway and the crowd inherit, to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def _section(sample: dict[str, float], wanted: int) -> Section:
    beats, share, each_kib = sample["heartbeats"], sample["cpu_share"], sample["kib_each"]
    count, answered, own = sample["workers"], sample["answered"], sample["own_commits"]
    row = [
        f"{count:,.0f}", f"{each_kib:.1f}", f"{share * 100:.1f} %",
        f"{share * sample['window_s'] / max(1, beats) * 1e6:.0f}", f"{beats:,.0f}", f"{answered:,.0f}",
        f"{sample['commits']:.0f}", f"{own:.0f}",
    ]  # fmt: skip
    notes = [f"a heartbeat every {HEARTBEAT_S:.0f} s each; own: commits of the empty gateway in the same time"]
    notes.append(f"the empty gateway alone used {sample['own_cpu_share']:.1%} of a core, which is in the figure")
    if count < wanted:
        notes.append(f"{wanted:,} were wanted; the limit of open files allows {count:,.0f}")
    if sample["lost"] or answered < beats * 0.99:
        notes.append(f"NOT WELL: {sample['lost']:.0f} connections lost, {beats - answered:.0f} heartbeats unanswered")
    title = f"{count:,.0f} idle workers"
    writes = max(0.0, sample["commits"] - own)
    is_well = not sample["lost"] and answered >= beats * 0.99
    return Section(
        title=f"Idle: {title} over WebSocket",
        heads=HEADS,
        rows=[row],
        notes=notes,
        goals=[
            Goal(
                title=f"{title}: memory each", wanted="≤ 40 KiB", measured=f"{each_kib:.1f} KiB", is_met=each_kib <= 40
            ),
            Goal(
                title=f"{title}: CPU",
                wanted="≤ 5 % of a core for 5,000",
                measured=f"{share * 100:.1f} %",
                is_met=share <= 0.05 * count / WORKERS,
            ),
            Goal(
                title=f"{title}: SQL writes for heartbeats",
                wanted="0",
                measured=f"{writes:.0f} in {beats:,.0f}",
                is_met=writes == 0 and is_well,
            ),
        ],
        samples=sample,
    )
