"""taskgate as a reverse proxy beside nginx and others: one interleaved run, one process each, the same upstream.

Each round raises every proxy anew and asks all of them for one row after the other; the order is turned round every
other round. Goals are ratios of the same round, taken within seconds of each other.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
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
        order = [contestant for contestant in (wanted if number % 2 else wanted[::-1]) if contestant.key not in skipped]
        with ExitStack() as standing:
            round_of = _Round(processes, run, is_quick=is_quick, skipped=skipped)
            round_of.raise_all(order, standing, upstream=upstream)
            for contestant, found in round_of.measured():
                for row, sample in found.items():
                    samples.setdefault(contestant.key, {}).setdefault(row, []).append(sample)
                _tell(contestant, found, place=f"round {number}/{rounds}")
        done_count = number
    return proxy_section(wanted, samples, skipped, rounds=(done_count, rounds))


class _Round:
    """All proxies of one round, standing at once: each row is asked of one after the other, so that a neighbour who
    disturbs the machine for some seconds disturbs them alike. Who fails is left out from then on."""

    def __init__(self, processes: Processes, run: Path, *, is_quick: bool, skipped: dict[str, str]) -> None:
        self._processes = processes
        self._run = run
        self._is_quick = is_quick
        self._skipped = skipped
        self._standing: list[tuple[Contestant, Running]] = []
        self._found: dict[str, dict[str, Sample]] = {}

    def raise_all(self, order: Sequence[Contestant], standing: ExitStack, *, upstream: Upstream) -> None:
        """Start them, and warm them up."""
        for contestant in order:
            place = raised(self._processes, contestant, run=self._run, upstream=upstream)
            with self._forgiving(contestant):
                running = standing.enter_context(place)
                applied(self._run, LOADS[0], url=running.url, headers=running.headers, seconds=1)
                self._standing.append((contestant, running))

    def measured(self) -> list[tuple[Contestant, dict[str, Sample]]]:
        """Every row of everybody."""
        seconds = 1 if self._is_quick else 3
        for load in LOADS:
            self._ask(lambda running, load=load: {load.key: _loaded(self._run, load, running, seconds=seconds)}, load)
        self._ask(lambda running: _streamed(self._processes, running, is_quick=self._is_quick))
        self._ask(lambda running: {"idle": _idle(self._processes, running, count=500 if self._is_quick else IDLE)})
        return [(contestant, self._found[contestant.key]) for contestant, _ in self._standing]

    def _ask(self, measure: Callable[[Running], dict[str, Sample]], load: Load | None = None) -> None:
        for contestant, running in tuple(self._standing):
            if contestant.is_full or (load is not None and load.is_wide):
                with self._forgiving(contestant):
                    self._found.setdefault(contestant.key, {}).update(measure(running))
                    running.process.check()

    @contextmanager
    def _forgiving(self, contestant: Contestant) -> Iterator[None]:
        try:
            yield
        except Trouble as trouble:
            self._skipped[contestant.key] = str(trouble)
            self._standing = [one for one in self._standing if one[0] is not contestant]
            say(f"proxy: {contestant.title} is left out: {trouble}")


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
