"""`python -m benchmarks [runs idle journal overhead proxy fronts gateways] [--quick] ...`: tables, then the goals.

`make bench` runs all but `gateways` within half an hour, `make bench ARGS=--quick` within six.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.gateways import measure_gateways
from benchmarks.hotspots import measure_hotspots
from benchmarks.idle import measure_idle
from benchmarks.journal import measure_journal
from benchmarks.machine import machine_line
from benchmarks.overhead import measure_overhead
from benchmarks.places import run_folder
from benchmarks.processes import Processes, Trouble
from benchmarks.progress import say
from benchmarks.proxy import measure_proxy
from benchmarks.proxy_fronts import measure_fronts
from benchmarks.runs import measure_runs
from benchmarks.tables import Section, goal_table, text_of

QUICK_RUNS_S, RUNS_S = 90.0, 480.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n\n")[0])
    parser.add_argument(
        "what", nargs="*", metavar="BENCHMARK", help=f"any of: {' '.join(BENCHMARKS)} (default: {' '.join(USUAL)})"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one round, small counts: does it work, and roughly how fast"
    )
    parser.add_argument("--rounds", type=int, help="counted rounds of `runs`, `proxy` and `gateways` (default 3)")
    parser.add_argument(
        "--only",
        default="",
        help="systems of `runs` or `proxy` by part of their key, such as taskgate,nginx; tables of `gateways`",
    )
    parser.add_argument("--n", type=int, default=0, help="runs of one bulk, the same for every system")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every sample")
    told = parser.parse_args()
    unknown = set(told.what) - set(BENCHMARKS)
    if unknown:
        parser.error(f"unknown benchmark: {', '.join(sorted(unknown))}; known: {', '.join(BENCHMARKS)}")
    return told


def runs(processes: Processes, run: Path, told: argparse.Namespace) -> Section:
    return measure_runs(
        processes,
        run,
        rounds=told.rounds or (1 if told.quick else 3),
        only=names(told.only),
        count=told.n,
        is_quick=told.quick,
        until_s=QUICK_RUNS_S if told.quick else RUNS_S,
    )


def idle(processes: Processes, run: Path, told: argparse.Namespace) -> Section:
    return measure_idle(processes, run, is_quick=told.quick)


def journal(processes: Processes, run: Path, told: argparse.Namespace) -> Section:
    return measure_journal(processes, run, rounds=1 if told.quick else 3, is_quick=told.quick)


def overhead(processes: Processes, run: Path, told: argparse.Namespace) -> Section:
    return measure_overhead(processes, run, rounds=1 if told.quick else 3, is_quick=told.quick)


def proxy(processes: Processes, run: Path, told: argparse.Namespace) -> Section:
    return measure_proxy(
        processes,
        run,
        rounds=told.rounds or (1 if told.quick else 3),
        only=names(told.only),
        is_quick=told.quick,
    )


def fronts(processes: Processes, run: Path, told: argparse.Namespace) -> Section:
    return measure_fronts(processes, run, rounds=1 if told.quick else 3, is_quick=told.quick)


def gateways(processes: Processes, run: Path, told: argparse.Namespace) -> Section:
    return measure_gateways(
        processes,
        run,
        rounds=told.rounds or (1 if told.quick else 3),
        count=told.n,
        is_quick=told.quick,
        only=names(told.only),
    )


def profile(processes: Processes, run: Path, told: argparse.Namespace) -> Section:
    return measure_hotspots(processes, run, count=told.n, is_quick=told.quick, only=names(told.only))


def names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


Measure = Callable[[Processes, Path, argparse.Namespace], Section]
USUAL: dict[str, Measure] = {
    "runs": runs,
    "idle": idle,
    "journal": journal,
    "overhead": overhead,
    "proxy": proxy,
    "fronts": fronts,
}
BENCHMARKS: dict[str, Measure] = {**USUAL, "gateways": gateways, "profile": profile}


def main() -> int:
    """0 when all of ours was measured (a missed goal is no failure), 1 when something was not, 130 on Ctrl-C."""
    told = arguments()
    if not sys.platform.startswith("linux"):
        print("the benchmarks read /proc and run on Linux alone", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may start us with it ignored
    run = run_folder()
    line = machine_line(run)
    print(f"# taskgate benchmarks\n\n{line}\n", flush=True)
    sections: dict[str, Section] = {}
    try:
        for name in told.what or USUAL:
            sections[name] = _section(name, run, told)
            print(text_of(sections[name]), end="\n\n", flush=True)
    except KeyboardInterrupt:
        say("interrupted; everything that was started has been ended")
        return 130
    report(sections, line, told.json)
    if told.quick:
        print("\nToo short to be quoted: --quick shows that everything works, and roughly how fast.")
    return 0 if all(section.is_whole for section in sections.values()) else 1


def _section(name: str, run: Path, told: argparse.Namespace) -> Section:
    with Processes(run) as processes:
        try:
            return BENCHMARKS[name](processes, run, told)
        except Trouble as trouble:
            say(f"{name}: {trouble}")
            return Section(title=name, notes=[f"not measured: {trouble}"], is_whole=False)


def report(sections: dict[str, Section], line: str, file: Path | None) -> None:
    goals = [goal for section in sections.values() for goal in section.goals]
    if goals:
        print(f"## Goals\n{goal_table(goals)}", flush=True)
    if file is not None:
        kept = {name: section.samples for name, section in sections.items()}
        judged = [
            {"goal": goal.title, "wanted": goal.wanted, "measured": goal.measured, "met": goal.is_met} for goal in goals
        ]
        file.write_text(json.dumps({"machine": line, "goals": judged, "samples": kept}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
