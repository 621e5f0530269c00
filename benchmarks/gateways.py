"""Several gateways on PostgreSQL and Redis: how fast, for how much, how soon, and what idle workers cost.

Everything is raised anew for every sample and the order is turned round every other round, as in `runs`: what is held
against a goal is a ratio or a median of one interleaved run. PostgreSQL keeps its defaults, which flush every commit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.doors import postgres_programs, redis_binary
from benchmarks.gateways_bulk import measure_bulk, measure_held
from benchmarks.gateways_handover import measure_handover
from benchmarks.gateways_idle import measure_idle_shared
from benchmarks.processes import Processes
from benchmarks.tables import Section


def measure_gateways(
    processes: Processes,
    run: Path,
    *,
    rounds: int,
    count: int = 0,
    is_quick: bool = False,
    only: Sequence[str] = (),
) -> Section:
    """All four tables; `only` names some of them. Trouble where PostgreSQL or Redis cannot be had."""
    postgres_programs()
    redis_binary()
    measures: dict[str, Callable[[], Section]] = {
        "bulk": lambda: measure_bulk(processes, run, rounds=rounds, count=count, is_quick=is_quick),
        "held": lambda: measure_held(processes, run, rounds=rounds, is_quick=is_quick),
        "handover": lambda: measure_handover(processes, run, rounds=rounds, is_quick=is_quick),
        "idle": lambda: measure_idle_shared(processes, run, is_quick=is_quick),
    }
    parts = {name: measure() for name, measure in measures.items() if not only or name in only}
    return Section(
        title="Several gateways",
        goals=[goal for part in parts.values() for goal in part.goals],
        samples={name: part.samples for name, part in parts.items()},
        parts=list(parts.values()),
    )
