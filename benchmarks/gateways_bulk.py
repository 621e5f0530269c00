"""Submit → worker → result through one gateway or two, unhindered and with each gateway held to a share of a core.

Each gateway has a caller and a real worker of its own; with two gateways both callers submit half, and the rate is
that of both together, from the first submit to the last result. A run may be done by either worker.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.counting import SETTLE_S, Count, counted
from benchmarks.driver import Driver
from benchmarks.installations import Installation, installed, worked
from benchmarks.processes import Process, Processes
from benchmarks.progress import say
from benchmarks.quota import CANNOT_HOLD, can_hold, held
from benchmarks.tables import Goal, Section, median, spread
from benchmarks.usage import cpu_s, memory_bytes

FIRST_ANSWER_S = 60.0
BULK_S = 120.0
WARM_TRIPS = 10
MIB = 1 << 20
WANTED_RATE = 4_000
WANTED_RATIO = 1.8
Sample = dict[str, float]
HEADS = (
    "gateways", "runs/s", "spread", "gateway CPU µs", "PostgreSQL CPU µs", "Redis CPU µs", "worker CPU µs",
    "caller CPU µs", "statements", "Redis commands", "MiB each",
)  # fmt: skip
FIELDS = ("gateway_us", "postgres_us", "redis_us", "worker_us", "caller_us")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """One row: how many gateways on what. `bulk_count`: runs of one full round."""

    key: str
    title: str
    gateway_count: int
    is_embedded: bool
    bulk_count: int


EMBEDDED = Setup(key="sqlite", title="one, SQLite FULL", gateway_count=1, is_embedded=True, bulk_count=10_000)
ONE = Setup(key="one", title="one, PostgreSQL + Redis", gateway_count=1, is_embedded=False, bulk_count=8_000)
TWO = Setup(key="two", title="two, PostgreSQL + Redis", gateway_count=2, is_embedded=False, bulk_count=8_000)


def measure_bulk(processes: Processes, run: Path, *, rounds: int, count: int, is_quick: bool) -> Section:
    """Rates and CPU per run of all three, interleaved; round 0 is not counted."""
    samples: dict[str, list[Sample]] = {setup.key: [] for setup in (EMBEDDED, ONE, TWO)}
    for number in range(1 if is_quick else 0, rounds + 1):
        setups = (EMBEDDED, ONE, TWO) if number % 2 else (TWO, ONE, EMBEDDED)
        for setup in setups:
            wanted = count or (setup.bulk_count // 4 if is_quick else setup.bulk_count)
            found = _sample(processes, run, setup, count=wanted if number else wanted // 10)
            if number:
                samples[setup.key].append(found)
            say(f"gateways: bulk, round {number}/{rounds}: {setup.title}: {found['rate']:,.0f} runs/s")
    rate = median([sample["rate"] for sample in samples[ONE.key]])
    return Section(
        title=f"Bulk (interleaved, rounds: {rounds}, medians)",
        heads=HEADS,
        rows=[_row(setup, samples[setup.key]) for setup in (EMBEDDED, ONE, TWO)],
        notes=[
            "CPU, statements (transactions of PostgreSQL) and Redis commands (those inside scripts too) are per run",
            "each gateway has a caller and a worker; on two cores a second gateway has nowhere to grow to",
        ],
        goals=[
            Goal(
                title="bulk, PostgreSQL + Redis, one gateway",
                wanted=f"≥ {WANTED_RATE:,}/s",
                measured=f"{rate:,.0f}/s",
                is_met=rate >= WANTED_RATE,
            )
        ],
        samples=samples,
    )


def measure_held(processes: Processes, run: Path, *, rounds: int, is_quick: bool) -> Section:
    """Two gateways against one, each held to a quarter of a core."""
    title = "Bulk, each gateway held to 25 % of a core"
    if not can_hold():
        return Section(title=title, notes=[CANNOT_HOLD])
    rates: dict[int, list[float]] = {1: [], 2: []}
    each_count = 1_000 if is_quick else 4_000
    for number in range(1, rounds + 1):
        for setup in (ONE, TWO) if number % 2 else (TWO, ONE):
            wanted = each_count * setup.gateway_count
            found = _sample(processes, run, setup, count=wanted, is_held=True)
            rates[setup.gateway_count].append(found["rate"])
        say(f"gateways: held, round {number}/{rounds}: {rates[1][-1]:,.0f} and {rates[2][-1]:,.0f} runs/s")
    ratios = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    ratio = median(ratios)
    told = f"{ratio:.2f} × ({', '.join(f'{found:.2f}' for found in ratios)})"
    return Section(
        title=title,
        heads=["gateways", "runs/s"],
        rows=[[str(count), f"{median(found):,.0f}"] for count, found in rates.items()],
        notes=["PostgreSQL and Redis, callers and workers have the rest of the machine"],
        goals=[
            Goal(
                title="two gateways against one, held",
                wanted=f"≥ {WANTED_RATIO} ×",
                measured=told,
                is_met=ratio >= WANTED_RATIO,
            )
        ],
        samples={str(count): found for count, found in rates.items()},
    )


def _sample(processes: Processes, run: Path, setup: Setup, *, count: int, is_held: bool = False) -> Sample:
    with (
        installed(processes, run, gateway_count=setup.gateway_count, is_embedded=setup.is_embedded) as installation,
        worked(processes, run, installation.gateways) as (workers, drivers),
    ):
        _warm(drivers, count)
        pids = [door.process.pid for door in installation.gateways]
        asked_before, used_before = _counted(installation), _used(installation, workers, drivers)
        with _perhaps_held(pids, is_held=is_held):
            total_s = _bulk(drivers, count)
        used = [
            after - before for after, before in zip(_used(installation, workers, drivers), used_before, strict=True)
        ]
        asked = _counted(installation).since(asked_before)
        each_mib = sum(map(memory_bytes, pids)) / len(pids) / MIB
        installation.check()
    costs = {name: spent / count * 1e6 for name, spent in zip(FIELDS, used, strict=True)}
    return {
        "count": count,
        "rate": count / total_s,
        **costs,
        "statements": asked.statements / count,
        "commands": asked.commands / count,
        "each_mib": each_mib,
    }


def _warm(drivers: Sequence[Driver], count: int) -> None:
    for driver in drivers:
        driver.once(1, timeout_s=FIRST_ANSWER_S)
    for driver in drivers:
        driver.bulk(max(50, count // 10))
        driver.once(WARM_TRIPS)


def _bulk(drivers: Sequence[Driver], count: int) -> float:
    """All of them at once, each its share; the seconds from the first submit to the last result."""
    begun = time.monotonic()
    for driver in drivers:
        driver.tell({"do": "bulk", "count": count // len(drivers)})
    for driver in drivers:
        driver.answer("bulk", timeout_s=BULK_S)
    return time.monotonic() - begun


@contextlib.contextmanager
def _perhaps_held(pids: list[int], *, is_held: bool) -> Iterator[None]:
    if not is_held:
        yield
        return
    with held(pids):
        yield


def _counted(installation: Installation) -> Count:
    if installation.postgres is None or installation.redis is None:
        return Count()
    time.sleep(SETTLE_S)
    return counted(installation.postgres, installation.redis)


def _used(installation: Installation, workers: Sequence[Process], drivers: Sequence[Driver]) -> list[float]:
    """CPU seconds so far, in the order of FIELDS."""
    groups = (
        [door.process for door in installation.gateways],
        [installation.postgres.process] if installation.postgres else [],
        [installation.redis.process] if installation.redis else [],
        workers,
        [driver.process for driver in drivers],
    )
    return [sum(cpu_s(process.pid) for process in group) for group in groups]


def _row(setup: Setup, samples: list[Sample]) -> list[str]:
    def middle(name: str, form: str) -> str:
        return format(median([sample[name] for sample in samples]), form)

    asked = ["–", "–"] if setup.is_embedded else [middle("statements", ".2f"), middle("commands", ".2f")]
    servers = ["–", "–"] if setup.is_embedded else [middle("postgres_us", ",.0f"), middle("redis_us", ",.0f")]
    return [
        setup.title,
        middle("rate", ",.0f"),
        spread([sample["rate"] for sample in samples]),
        middle("gateway_us", ",.0f"),
        *servers,
        middle("worker_us", ",.0f"),
        middle("caller_us", ",.0f"),
        *asked,
        middle("each_mib", ",.0f"),
    ]
