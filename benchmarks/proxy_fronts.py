"""One process against two on one port, each held to a quarter of a core by a cgroup quota.

On two cores a second process cannot show what it gains: load generator and upstream need a core too. Under a quota the
proxy is the only thing that is short of time. Each process gets a group of its own; the load has the other core.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from benchmarks.processes import Processes, Trouble
from benchmarks.progress import say
from benchmarks.proxies import Running, raised_ours
from benchmarks.proxy_loads import LOADS, applied
from benchmarks.proxy_upstream import Upstream, open_upstream
from benchmarks.quota import CANNOT_HOLD, can_hold, held
from benchmarks.tables import Goal, Section, median
from benchmarks.usage import tree

READY_S = 30.0
WANTED = 1.8


def measure_fronts(processes: Processes, run: Path, *, rounds: int, is_quick: bool = False) -> Section:
    """Requests per second of one process and of two, and their ratio in each round."""
    title = "Proxy: two processes on one port, each held to 25 % of a core"
    if not can_hold():
        return Section(title=title, notes=[CANNOT_HOLD])
    upstream = open_upstream(processes, run)
    rates: dict[int, list[float]] = {1: [], 2: []}
    for number in range(1, rounds + 1):
        for count in (1, 2) if number % 2 else (2, 1):
            rates[count].append(_rate(processes, run, upstream, count=count, seconds=2 if is_quick else 5))
        say(f"fronts: round {number}/{rounds}: {rates[1][-1]:,.0f} and {rates[2][-1]:,.0f} requests/s")
    ratios = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    ratio = median(ratios)
    told = f"{ratio:.2f} x ({', '.join(f'{found:.2f}' for found in ratios)})"
    rows = [[f"{count} process{'es' * (count > 1)}", f"{median(found):,.0f}"] for count, found in rates.items()]
    return Section(
        title=title,
        heads=["", "requests/s"],
        rows=rows,
        notes=["GET 1 KiB, 64 connections, 2 headers; `taskgate serve --workers 2` is one gateway and one front"],
        goals=[Goal(title="two processes against one", wanted=f">= {WANTED} x", measured=told, is_met=ratio >= WANTED)],
        samples=rates,
    )


def _rate(processes: Processes, run: Path, upstream: Upstream, *, count: int, seconds: int) -> float:
    with raised_ours(processes, run, upstream, workers=count) as running:
        members = _members(running, count)
        applied(run, LOADS[0], url=running.url, headers=running.headers, seconds=1)
        with held(members):
            found = applied(run, LOADS[0], url=running.url, headers=running.headers, seconds=seconds)
    if found["errors"] or found["wrong"]:
        raise Trouble(f"{found['errors']:.0f} errors, {found['wrong']:.0f} wrong answers with {count} processes")
    return found["rate"]


def _members(running: Running, count: int) -> list[int]:
    """The processes of the gateway that serve, once all of them listen."""
    deadline = time.monotonic() + READY_S
    while True:
        serving = [pid for pid in tree(running.process.pid) if _listens(pid, running.port)]
        if len(serving) == count:
            return serving
        if time.monotonic() > deadline:
            raise Trouble(f"{len(serving)} of {count} processes listen")
        time.sleep(0.05)


def _listens(pid: int, port: int) -> bool:
    rows = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    inodes = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port}
    try:
        return any(os.readlink(entry) in inodes for entry in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
