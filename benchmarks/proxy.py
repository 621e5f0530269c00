"""taskgate as a reverse proxy beside nginx and others: one interleaved run, one process each, the same upstream.

Each round raises every proxy anew and asks it for all rows; the order is turned round every other round. Goals are
ratios of the same round, so that what slows the whole machine slows both.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.driver import Driver
from benchmarks.places import DRIVING
from benchmarks.processes import Processes, Trouble
from benchmarks.progress import elapsed_s, say
from benchmarks.proxies import CONTESTANTS, Contestant, Running, raised
from benchmarks.proxy_loads import LOADS, Load, applied, pinned
from benchmarks.proxy_upstream import Upstream, open_upstream
from benchmarks.proxy_verdicts import ROWS, Samples, proxy_section
from benchmarks.tables import Section
from benchmarks.usage import cpu_s, resident_bytes, tree

STREAMS = 64
PACED = 500
IDLE = 5_000
SPARE_FDS = 500
Sample = dict[str, float]


def measure_proxy(
    processes: Processes,
    run: Path,
    *,
    rounds: int,
    only: Sequence[str] = (),
    is_quick: bool = False,
    until_s: float = 900.0,
) -> Section:
    """The table. `only` names contestants by part of their key; `until_s` is when no further round is begun."""
    wanted = [contestant for contestant in CONTESTANTS if not only or any(name in contestant.key for name in only)]
    upstream = open_upstream(processes, run)
    samples: Samples = {}
    skipped: dict[str, str] = {}
    begun, done_count = elapsed_s(), 0
    for number in range(1, rounds + 1):
        spent = elapsed_s() - begun
        if number > 1 and spent + spent / (number - 1) > until_s:
            say(f"proxy: no time for round {number} of {rounds}")
            break
        for contestant in wanted if number % 2 else reversed(wanted):
            if contestant.key in skipped:
                continue
            try:
                found = _measured(processes, run, contestant, upstream=upstream, is_quick=is_quick)
            except Trouble as trouble:
                skipped[contestant.key] = str(trouble)
                say(f"proxy: {contestant.title} is left out: {trouble}")
                continue
            for row, sample in found.items():
                samples.setdefault(contestant.key, {}).setdefault(row, []).append(sample)
            _tell(contestant, found, place=f"round {number}/{rounds}")
        done_count = number
    return proxy_section(wanted, samples, skipped, rounds=(done_count, rounds))


def _measured(
    processes: Processes, run: Path, contestant: Contestant, *, upstream: Upstream, is_quick: bool
) -> dict[str, Sample]:
    seconds = 1 if is_quick else 3
    with raised(processes, contestant, run=run, upstream=upstream) as running:
        found = {}
        applied(run, LOADS[0], url=running.url, headers=running.headers, seconds=1)
        for load in LOADS:
            if load.is_wide or contestant.is_full:
                found[load.key] = _loaded(run, load, running, seconds=seconds)
        if contestant.is_full:
            found |= _streamed(processes, running, is_quick=is_quick)
            found["idle"] = _idle(processes, running, count=500 if is_quick else IDLE)
        running.process.check()
    return found


def _loaded(run: Path, load: Load, running: Running, *, seconds: int) -> Sample:
    before = cpu_s(running.process.pid)
    found = applied(run, load, url=running.url, headers=running.headers, seconds=seconds)
    used_s = cpu_s(running.process.pid) - before
    return {**found, "cpu_us": used_s / max(1.0, found["count"]) * 1e6}


def _reader(processes: Processes, running: Running, *, name: str) -> Driver:
    told = {
        "BENCH_ADDRESS": f"127.0.0.1:{running.port}",
        "BENCH_LINES": "".join(f"{name}: {value}\n" for name, value in running.headers.items()),
        "PYTHONPATH": str(DRIVING),
    }
    command = [*pinned(1), sys.executable, DRIVING / "streams_read.py"]
    return Driver(processes.start(name, command, environment=told, is_driver=True))


def _streamed(processes: Processes, running: Running, *, is_quick: bool) -> dict[str, Sample]:
    """Messages per second through 64 streams, and paced streams with the delay of every message."""
    seconds = 1 if is_quick else 3
    asks = {
        "sse": {"path": "/streams/sse", "count": STREAMS, "seconds": seconds},
        "ws": {"path": "/streams/ws", "count": STREAMS, "seconds": seconds, "is_ws": True},
        "paced": {
            "path": "/streams/paced",
            "count": 50 if is_quick else PACED,
            "seconds": 2 * seconds,
            "is_paced": True,
        },
    }
    found: dict[str, Sample] = {}
    for row, told in asks.items():
        driver = _reader(processes, running, name=f"reader-{row}")
        try:
            before = cpu_s(running.process.pid)
            sample = driver.ask({"do": "stream", **told}, timeout_s=seconds * 2 + 60)
            used_s = cpu_s(running.process.pid) - before
        finally:
            processes.stop(driver.process)
        found[row] = {**sample, "wanted": told["count"], "cpu_us": used_s / max(1.0, sample["count"]) * 1e6}  # type: ignore[dict-item]
    return found


def _idle(processes: Processes, running: Running, *, count: int) -> Sample:
    """Memory of kept connections that have had one answer each."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(count, hard - SPARE_FDS)
    driver = _reader(processes, running, name="reader-idle")
    try:
        driver.ask({"do": "idle", "path": "/plain/json", "count": 50}, timeout_s=60)
        before, pid = _resident(running), running.process.pid
        told = driver.ask({"do": "idle", "path": "/plain/json", "count": count}, timeout_s=120)
        cpu_before, begun = cpu_s(pid), time.monotonic()
        driver.process.check()
        time.sleep(2.0)
        share = (cpu_s(pid) - cpu_before) / (time.monotonic() - begun)
        kib = (_resident(running) - before) / count / 1024
    finally:
        processes.stop(driver.process)
    return {"count": count, "open": told["open"], "kib_each": kib, "cpu_share": share}


def _resident(running: Running) -> int:
    return sum(resident_bytes(pid) for pid in tree(running.process.pid))


def _tell(contestant: Contestant, found: dict[str, Sample], *, place: str) -> None:
    rate, p50 = found["get"]["rate"], found["one"]["p50_us"]
    rows = f"{len(found)} of {len(ROWS)} rows"
    say(f"proxy: {place}: {contestant.title}: {rate:,.0f} requests/s, p50 {p50:,.0f} µs, {rows}")
