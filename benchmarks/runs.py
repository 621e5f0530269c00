"""Submit → worker → result, all systems in one interleaved run.

Every round raises each system anew, warms it up, submits a bulk and collects every result, then makes round
trips one at a time. Round 0 is not counted. What is compared with a goal is a ratio of medians taken in the
same run: absolute rates of one machine say little about another.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.processes import Processes, Trouble
from benchmarks.progress import elapsed_s, say
from benchmarks.systems import SYSTEMS, Ensemble, System, raised
from benchmarks.tables import Goal, Section, median, percentile, spread
from benchmarks.usage import cpu_s, memory_bytes

FIRST_ANSWER_S = 60.0
SETTLE_S = 0.1
WARM_TRIPS = 10
TRIPS = 100
MIB = 1 << 20
CELERY = "celery"

Sample = dict[str, float]
HEADS = (
    "system", "runs/s", "spread", "p50 ms", "p99 ms", "door CPU µs", "worker CPU µs", "caller CPU µs",
    "door MiB", "worker MiB", "durable at accept", "rounds",
)  # fmt: skip
LEGEND = (
    "door: taskgate's gateway, or the Redis or PostgreSQL server of the others. CPU per run, bulk phase only; "
    "memory right after it, shared pages counted once."
)


def measure_runs(
    processes: Processes,
    run: Path,
    *,
    rounds: int,
    only: Sequence[str] = (),
    count: int = 0,
    is_quick: bool = False,
    until_s: float = 480.0,
) -> Section:
    """The table. `count` sets the bulk of every system; `until_s` is when no further round is begun."""
    systems = [system for system in SYSTEMS if not only or any(name in system.key for name in only)]
    samples: dict[str, list[Sample]] = {system.key: [] for system in systems}
    servers = set[str]()
    skipped: dict[str, str] = {}
    done_count = 0
    for number in range(0 if not is_quick else 1, rounds + 1):
        if number > 1 and elapsed_s() + (elapsed_s() / max(1, number)) > until_s:
            say(f"runs: no time for round {number} of {rounds}")
            break
        for system in systems:
            if system.key in skipped:
                continue
            wanted = count or (system.bulk_count // 4 if is_quick else system.bulk_count)
            try:
                sample = _measured(
                    processes, run, system, count=wanted if number else max(100, wanted // 10), servers=servers
                )
            except Trouble as trouble:
                skipped[system.key] = str(trouble)
                say(f"runs: {system.title} is left out: {trouble}")
                continue
            if number:
                samples[system.key].append(sample)
            _tell(system, sample, number=number, rounds=rounds)
        done_count = number
    return _section(systems, samples, skipped, rounds=(done_count, rounds), servers=servers)


def _measured(processes: Processes, run: Path, system: System, *, count: int, servers: set[str]) -> Sample:
    with raised(processes, run, system) as ensemble:
        driver = ensemble.driver
        servers.add(ensemble.door.version)
        driver.once(1, timeout_s=FIRST_ANSWER_S)
        driver.bulk(max(50, count // 10))
        driver.once(WARM_TRIPS)
        before = _cpu(ensemble)
        submit_s, total_s = driver.bulk(count)
        time.sleep(SETTLE_S)
        costs = [(after - earlier) / count * 1e6 for earlier, after in zip(before, _cpu(ensemble), strict=True)]
        door_mib = memory_bytes(ensemble.door.process.pid) / MIB
        worker_mib = memory_bytes(ensemble.worker.pid) / MIB
        trips_ms = [trip_s * 1e3 for trip_s in driver.once(TRIPS)]
        ensemble.check()
    return {
        "count": count,
        "rate": count / total_s,
        "submit_rate": count / submit_s,
        "p50_ms": median(trips_ms),
        "p99_ms": percentile(trips_ms, 0.99),
        "door_us": costs[0],
        "worker_us": costs[1],
        "caller_us": costs[2],
        "door_mib": door_mib,
        "worker_mib": worker_mib,
    }


def _cpu(ensemble: Ensemble) -> list[float]:
    return [cpu_s(process.pid) for process in (ensemble.door.process, ensemble.worker, ensemble.driver.process)]


def _tell(system: System, sample: Sample, *, number: int, rounds: int) -> None:
    place = f"round {number}/{rounds}" if number else "warm-up"
    say(f"runs: {place}: {system.title}: {sample['rate']:,.0f} runs/s, p50 {sample['p50_ms']:.2f} ms")


def _section(
    systems: Sequence[System],
    samples: dict[str, list[Sample]],
    skipped: dict[str, str],
    *,
    rounds: tuple[int, int],
    servers: set[str],
) -> Section:
    measured = [system for system in systems if samples[system.key]]
    notes = [LEGEND]
    if versions := ", ".join(sorted(servers - {""})):
        notes.append(f"servers: {versions}; the systems' own versions stand in benchmarks/peers/*/requirements.txt")
    if rounds[0] < rounds[1]:
        notes.append(f"{rounds[0]} of {rounds[1]} rounds: there was no time for more")
    titles = {system.key: system.title for system in systems}
    notes += [f"left out: {titles[key]}: {reason}" for key, reason in skipped.items()]
    return Section(
        title=f"Runs: submit, worker, result (interleaved, rounds: {rounds[0]}, medians)",
        heads=HEADS,
        rows=[_row(system, samples[system.key]) for system in measured],
        notes=notes,
        goals=goals({key: found for key, found in samples.items() if found}, titles),
        samples=samples,
        is_whole=not any(system.is_ours and system.key in skipped for system in systems),
    )


def _row(system: System, samples: list[Sample]) -> list[str]:
    def middle(name: str, form: str) -> str:
        return format(median([sample[name] for sample in samples]), form)

    return [
        system.title,
        middle("rate", ",.0f"),
        spread([sample["rate"] for sample in samples]),
        middle("p50_ms", ".2f"),
        middle("p99_ms", ".2f"),
        *(middle(name, ",.0f") for name in ("door_us", "worker_us", "caller_us", "door_mib", "worker_mib")),
        system.durable,
        str(len(samples)),
    ]


def goals(samples: dict[str, list[Sample]], titles: dict[str, str]) -> list[Goal]:
    """What the embedded gateway over WebSocket has to reach, beside the best peer of this very run."""
    ours = samples.get("taskgate")
    if not ours:
        return []
    peers = {key: found for key, found in samples.items() if not key.startswith("taskgate")}
    rate, p50, cpu = (median([sample[name] for sample in ours]) for name in ("rate", "p50_ms", "door_us"))
    found = [
        Goal(
            title="bulk, embedded, SQLite FULL",
            wanted="≥ 6,000/s, then 8,000",
            measured=f"{rate:,.0f}/s",
            is_met=rate >= 6_000,
        )
    ]
    if peers:
        best = max(peers, key=lambda key: median([sample["rate"] for sample in peers[key]]))
        found.append(_times("bulk, of the best peer", ours, peers[best], wanted=2, whom=titles[best]))
    if CELERY in peers:
        found.append(_times("bulk, of Celery prefork", ours, peers[CELERY], wanted=10, whom=titles[CELERY]))
    found.append(Goal(title="round trip p50, embedded", wanted="≤ 2.0 ms", measured=f"{p50:.2f} ms", is_met=p50 <= 2))
    if peers:
        quick = min(peers, key=lambda key: median([sample["p50_ms"] for sample in peers[key]]))
        theirs = median([sample["p50_ms"] for sample in peers[quick]])
        found.append(
            Goal(
                title="round trip p50, of the best peer",
                wanted=f"≤ {theirs:.2f} ms ({titles[quick]})",
                measured=f"{p50:.2f} ms",
                is_met=p50 <= theirs,
            )
        )
    found.append(
        Goal(title="gateway CPU per run", wanted="≤ 150 µs, then 125", measured=f"{cpu:.0f} µs", is_met=cpu <= 150)
    )
    return found


def _times(title: str, ours: list[Sample], theirs: list[Sample], *, wanted: float, whom: str) -> Goal:
    """A ratio round by round, so that what slows the whole machine slows both."""
    ratios = [mine["rate"] / other["rate"] for mine, other in zip(ours, theirs, strict=False)]
    ratio = median(ratios)
    measured = f"{ratio:.1f} × {whom}" + (f" (spread {spread(ratios)})" if len(ratios) > 1 else "")
    return Goal(title=title, wanted=f"≥ {wanted} ×", measured=measured, is_met=ratio >= wanted)
