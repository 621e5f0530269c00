"""From a submit until a worker has the run, where the worker is connected to the same gateway, and to another.

Both ends are in one driver process, so one clock measures; workers and callers there are as light as can be. Runs come
one at a time with the system idle in between, for several numbers of waiting workers, and then by the clock.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.driver import Driver
from benchmarks.installations import installed
from benchmarks.places import DRIVING
from benchmarks.processes import Processes
from benchmarks.progress import say
from benchmarks.tables import Goal, Section, median, percentile

CROWDS = (1, 10, 100)
RATE = 500
WANTED_P50_MS, WANTED_P99_MS = 5.0, 25.0
PLACES = {1: "the same gateway", 2: "another gateway"}
Samples = dict[int, dict[str, list[list[float]]]]  # gateways → load → milliseconds of each round


def measure_handover(processes: Processes, run: Path, *, rounds: int, is_quick: bool) -> Section:
    """p50 and p99 for every load and both places, and the goals for another gateway."""
    samples: Samples = {1: {}, 2: {}}
    for number in range(1, rounds + 1):
        for gateway_count in (1, 2) if number % 2 else (2, 1):
            found = _round(processes, run, gateway_count=gateway_count, is_quick=is_quick)
            for load, took_ms in found.items():
                samples[gateway_count].setdefault(load, []).append(took_ms)
            told = ", ".join(f"{load} {percentile(took, 0.5):.1f} ms" for load, took in found.items())
            say(f"gateways: handover, round {number}/{rounds}: {PLACES[gateway_count]}: {told}")
    rows = [
        [f"{PLACES[count]}, {load}", *(f"{_middle(found, share):.2f}" for share in (0.5, 0.99)), str(len(found[0]))]
        for count, loads in samples.items()
        for load, found in loads.items()
    ]
    return Section(
        title=f"Submit until a worker has it, PostgreSQL + Redis (rounds: {rounds}, medians)",
        heads=["worker at", "p50 ms", "p99 ms", "runs a round"],
        rows=rows,
        notes=["the commit of the submit is in it; what reads the clock shares the machine's cores with all the rest"],
        goals=[
            _goal(samples, "p50", wanted=WANTED_P50_MS, share=0.5),
            _goal(samples, "p99", wanted=WANTED_P99_MS, share=0.99),
        ],
        samples={PLACES[count]: loads for count, loads in samples.items()},
    )


def _round(processes: Processes, run: Path, *, gateway_count: int, is_quick: bool) -> dict[str, list[float]]:
    apart_count, seconds = (50, 3) if is_quick else (200, 10)
    found: dict[str, list[float]] = {}
    with installed(processes, run, gateway_count=gateway_count, is_embedded=False) as installation:
        first, last = installation.gateways[0], installation.gateways[-1]
        told = {
            **first.environment,
            "BENCH_WORKERS_URL": last.environment["TASKGATE_URL"],
            "PYTHONPATH": str(DRIVING),
        }
        command: list[str | Path] = [sys.executable, DRIVING / "handover.py"]
        process = processes.start("handover", command, environment=told, is_driver=True)
        driver = Driver(process)
        try:
            for crowd in CROWDS:
                driver.ask({"do": "connect", "count": crowd}, timeout_s=60)
                driver.ask({"do": "apart", "count": 10}, timeout_s=60)
                load = f"{crowd} worker{'s' * (crowd > 1)}, one run at a time"
                found[load] = driver.ask({"do": "apart", "count": apart_count}, timeout_s=120)["took_ms"]
            driver.ask({"do": "paced", "rate": RATE, "seconds": 1}, timeout_s=60)
            load = _paced_load()
            found[load] = driver.ask({"do": "paced", "rate": RATE, "seconds": seconds}, timeout_s=120)["took_ms"]
            installation.check()
        finally:
            processes.stop(process)
    return found


def _paced_load() -> str:
    return f"{CROWDS[-1]} workers, {RATE} runs/s"


def _middle(rounds: list[list[float]], share: float) -> float:
    return median([percentile(took_ms, share) for took_ms in rounds])


def _goal(samples: Samples, name: str, *, wanted: float, share: float) -> Goal:
    found = _middle(samples[2][_paced_load()], share)
    return Goal(
        title=f"submit until a worker at another gateway has it, {RATE} runs/s: {name}",
        wanted=f"≤ {wanted:.0f} ms",
        measured=f"{found:.1f} ms",
        is_met=found <= wanted,
    )
