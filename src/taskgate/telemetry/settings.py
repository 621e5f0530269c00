"""Settings of telemetry.

What the gateway says about itself, and in which form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """The gateway's own log, on standard error.

    level: the least serious message that is written. Default info.
    format: text for people, json for collectors (one object a line). Default text.
    access: whether each request is told when it is over, one JSON object a line in either format. Default false.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"
    access: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySettings:
    """Metrics and traces.

    otlp_endpoint: URL of an OpenTelemetry collector (OTLP over HTTP), as `http://collector:4318`. Default empty: what
        OTEL_EXPORTER_OTLP_ENDPOINT says, and no traces where that is empty too.
    trace_ratio: fraction of the traces that are told, 0..1, chosen by their ids, so that a trace is told whole or not
        at all. Default 1. What a caller does not sample is never told.
    top_tasks: names of tasks that are labels of metrics; further ones are counted as `other`. Default 100.
    top_queues: queues that have a row of their own, the deepest first; others are `other`. Default 200.
    top_routes: routes that have rows of their own, the busiest first; others are `other`. Default 200.
    """

    otlp_endpoint: str = ""
    trace_ratio: Annotated[float, Meta(ge=0, le=1)] = 1.0
    top_tasks: int = 100
    top_queues: int = 200
    top_routes: int = 200
