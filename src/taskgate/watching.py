"""Who watches a gateway: its metrics, and where the numbers for them are taken from.

A step of the object graph behind everything that counts; nothing that is watched knows of it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from taskgate import __version__
from taskgate.bridges.streams.names import DUTY as STREAMS
from taskgate.edge.workers.counters import LinkCounters
from taskgate.fleet.gateways import Gateways
from taskgate.ground import Ground
from taskgate.history.archiver import DUTY as ARCHIVER
from taskgate.history.forgetting import DUTY as JOURNALS
from taskgate.lifespan import Part
from taskgate.proxy.counters import BOUNDS_S
from taskgate.proxy.plane import Plane
from taskgate.proxy.usage import usage_of
from taskgate.runs.intake import Intake
from taskgate.runs.janitor import DUTY as JANITOR
from taskgate.runs.standings import Standings
from taskgate.stores.guarding import Backend
from taskgate.telemetry.access import AccessLog
from taskgate.telemetry.metrics import Metrics, Sources
from taskgate.telemetry.proxied import CallSpans
from taskgate.telemetry.pulse import Pulse
from taskgate.telemetry.repeating import dropped_count
from taskgate.telemetry.tracing import Send, Tracer
from taskgate.telemetry.traffic import Traffic

DUTIES = (ARCHIVER, JANITOR, JOURNALS, STREAMS)  # what one gateway does for all, for long


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What tells how a gateway does. `traffic` takes the numbers of further processes; `pulse` is a part."""

    metrics: Metrics
    standings: Standings
    gateways: Gateways
    traffic: Traffic
    pulse: Pulse
    tracer: Tracer | None
    access: AccessLog | None = None
    servers: tuple[Backend, ...] = ()

    def backends(self) -> dict[str, str]:
        """The servers that stores stand on, by name, with the states of their breakers and, behind a colon, what an
        operator has to mend."""
        return {server.name: f"{server.state}: {server.fault}".removesuffix(": ") for server in self.servers}

    @property
    def parts(self) -> list[Part]:
        """What has to be started."""
        return [self.pulse, *(part for part in (self.access, self.tracer) if part is not None)]


def watch_of(
    ground: Ground, plane: Plane, *, intake: Intake, links: LinkCounters, backends: tuple[Backend, ...]
) -> Watch:
    """The watch over these."""
    standings = Standings(ground.stores.census, ground.definitions, fleet=ground.fleet, clock=ground.clock)
    traffic = Traffic(BOUNDS_S)
    traffic.join(plane.counters, usage=lambda: usage_of(plane))
    traffic.breakers = lambda: {name: health.state for name, health in plane.all_health().items()}
    pulse = Pulse()
    servers = (*ground.stores.backends, *backends)
    sources = Sources(
        numbers=ground.numbers,
        standings=standings,
        fleet=ground.fleet,
        pulse=pulse,
        traffic=traffic,
        submits=intake.took,
        links=links,
        backends=servers,
    )
    metrics = Metrics(sources, ground.settings.telemetry)
    metrics.plain["taskgate_log_lines_dropped"] = dropped_count
    tracer = _tracer(ground)
    if tracer is not None:
        plane.means.tracing = CallSpans(tracer, ground.clock)
        metrics.plain["taskgate_spans_dropped"] = lambda: tracer.dropped_count
    access = plane.means.access = AccessLog() if ground.settings.log.access else None
    return Watch(
        metrics=metrics,
        standings=standings,
        gateways=_gateways(ground, intake),
        traffic=traffic,
        pulse=pulse,
        tracer=tracer,
        access=access,
        servers=servers,
    )


def _gateways(ground: Ground, intake: Intake) -> Gateways:
    return Gateways(
        ground.fleet,
        ground.neighbours,
        name=ground.name,
        version=__version__,
        clock=ground.clock,
        leads=lambda: ground.numbers.led(DUTIES),
        is_leaving=lambda: intake.leaving,
        processes=ground.settings.http.workers,
    )


def _tracer(ground: Ground) -> Tracer | None:
    """Who tells traces, where a collector is named; without one nothing of it is imported."""
    endpoint = ground.settings.telemetry.otlp_endpoint
    if not (endpoint or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")):
        return None

    def made() -> Send:
        from taskgate.otlp import sender

        return sender(endpoint, service="taskgate")

    return Tracer(ground.bus, ground.clock, send=made, ratio=ground.settings.telemetry.trace_ratio)
