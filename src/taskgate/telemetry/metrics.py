"""What `GET /metrics` answers: everything counted, put together when somebody asks.

A scrape costs what there is to say and no more: labels are bounded by settings, the store is not asked more often
than the census allows (`runs/standings.py`); where it is away its numbers are missing and `taskgate_census_up` is 0.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from taskgate import __version__
from taskgate.fleet.fleet import Fleet
from taskgate.histogram import Histogram
from taskgate.runs.standings import QueueView, Standings
from taskgate.telemetry.exposition import Exposition, Sample
from taskgate.telemetry.numbers import OTHER, Numbers
from taskgate.telemetry.pulse import Pulse
from taskgate.telemetry.settings import TelemetrySettings
from taskgate.telemetry.traffic import Traffic

CENSUS_S = 2.0
OPENNESS = {"closed": 0.0, "open": 1.0}


class LinkNumbers(Protocol):
    """What the doors for workers count."""

    round_trips: dict[str, Histogram]
    refused: Counter[str]


class BackendNumbers(Protocol):
    """What is told of a server that stores stand on."""

    @property
    def name(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def refused_count(self) -> int: ...

    @property
    def opened_count(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the numbers of a gateway are."""

    numbers: Numbers
    standings: Standings
    fleet: Fleet
    pulse: Pulse
    traffic: Traffic
    submits: Histogram
    links: LinkNumbers
    backends: Sequence[BackendNumbers] = ()


class Metrics:
    """The page of metrics of one gateway. `plain` are further counters without labels, by name."""

    def __init__(self, sources: Sources, settings: TelemetrySettings) -> None:
        self._sources = sources
        self._settings = settings
        self._exposition = Exposition()
        self.plain: dict[str, Callable[[], float]] = {}

    async def page(self, accept: str) -> tuple[bytes, bytes]:
        """The text and its media type."""
        views: list[QueueView] | None
        try:
            async with asyncio.timeout(CENSUS_S):
                views = await self._sources.standings.everywhere()
        except Exception:  # whatever ails the store, the other numbers are told
            views = None
        return self._exposition.text(self._samples(views), accept)

    def _samples(self, views: list[QueueView] | None) -> Iterator[Sample]:
        sources = self._sources
        yield "taskgate_build_info", (__version__,), 1
        yield "taskgate_census_up", (), float(views is not None)
        if views is not None:
            yield "taskgate_census_age_seconds", (), sources.standings.age_s
            yield from _queues(views, limit=self._settings.top_queues)
        yield from _workers(sources.fleet)
        yield from _counted(sources.numbers)
        yield "taskgate_submit_seconds", (), sources.submits
        for transport, histogram in sorted(sources.links.round_trips.items()):
            yield "taskgate_link_round_trip_seconds", (transport,), histogram
        for reason, count in sources.links.refused.items():
            yield "taskgate_offers_refused", (reason,), count
        yield from _backends(sources.backends)
        yield "taskgate_event_loop_late_seconds", (), sources.pulse.late_s
        yield "taskgate_event_loop_late_distribution_seconds", (), sources.pulse.late
        yield from sources.traffic.samples(limit=self._settings.top_routes)
        for name, read in self.plain.items():
            yield name, (), read()


def _queues(views: list[QueueView], *, limit: int) -> Iterator[Sample]:
    for status, total in (
        ("queued", sum(view.depth for view in views)),
        ("scheduled", sum(view.scheduled for view in views)),
        ("running", sum(view.running for view in views)),
    ):
        yield "taskgate_runs_open", (status,), total
    ranked = sorted(views, key=lambda view: (-view.depth, view.queue))
    rows = [(_labels(view), [view]) for view in ranked[:limit]]
    if ranked[limit:]:
        rows.append(((OTHER, "", ""), ranked[limit:]))
    for labels, these in rows:
        yield "taskgate_queue_depth", labels, sum(view.depth for view in these)
        yield "taskgate_queue_oldest_age_seconds", labels, max(view.oldest_age_s for view in these)
        yield "taskgate_queue_running", labels, sum(view.running for view in these)
        yield "taskgate_queue_workers", labels, max(view.workers for view in these)
        yield "taskgate_queue_slots_free", labels, max(view.slots_free for view in these)


def _labels(view: QueueView) -> tuple[str, str, str]:
    labels = ",".join(f"{key}={value}" for key, value in view.queue.labels)
    return view.queue.task, view.queue.version, labels


def _backends(backends: Sequence[BackendNumbers]) -> Iterator[Sample]:
    for backend in backends:
        yield "taskgate_backend_breaker_open", (backend.name,), OPENNESS.get(backend.state, 0.5)
        yield "taskgate_backend_breaker_opened", (backend.name,), backend.opened_count
        yield "taskgate_backend_refused", (backend.name,), backend.refused_count


def _workers(fleet: Fleet) -> Iterator[Sample]:
    connected: Counter[str] = Counter({"grpc": 0, "websocket": 0})
    slots, held = Counter(connected), Counter(connected)
    for holder in fleet:
        connected[holder.transport] += 1
        slots[holder.transport] += holder.slots
        held[holder.transport] += len(holder.held)
    for transport in sorted(connected):
        yield "taskgate_workers_connected", (transport,), connected[transport]
        yield "taskgate_worker_slots", (transport,), slots[transport]
        yield "taskgate_worker_runs", (transport,), held[transport]


def _counted(numbers: Numbers) -> Iterator[Sample]:
    yield from _each("taskgate_runs_submitted", numbers.accepted)
    for (task, status), count in numbers.ended.items():
        yield "taskgate_runs_ended", (task, status), count
    yield from _each("taskgate_runs_moved", numbers.moved)
    yield from _each("taskgate_attempts_ended", numbers.attempts)
    yield from _each("taskgate_leases", numbers.leases)
    yield from _each("taskgate_workers_joined", numbers.joined)
    yield "taskgate_workers_left", (), numbers.left_count
    yield "taskgate_journal_entries", ("in",), numbers.journal["entries_in"]
    yield "taskgate_journal_entries", ("stored",), numbers.journal["entries_stored"]
    yield "taskgate_journal_bytes", (), numbers.journal["bytes_in"]
    yield "taskgate_journal_cut", (), numbers.journal["cut_batches"]
    yield "taskgate_run_wait_seconds", (), numbers.waited
    yield "taskgate_run_seconds", (), numbers.lasted
    for verb, histogram in sorted(numbers.verbs.items()):
        yield "taskgate_store_verb_seconds", verb, histogram
    for failure, count in numbers.failures.items():
        yield "taskgate_store_failures", failure, count
    yield from _each("taskgate_store_away", {port: float(away) for port, away in numbers.away.items()})
    for duty, epoch in numbers.leads.items():
        yield "taskgate_leads", (duty,), float(epoch > 0)
        yield "taskgate_leader_epoch", (duty,), epoch


def _each(name: str, counts: dict[str, int] | dict[str, float]) -> Iterable[Sample]:
    return [(name, (label,), count) for label, count in counts.items()]
