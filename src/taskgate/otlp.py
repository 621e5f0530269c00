"""Spans over OTLP/HTTP, of gateway and worker: the only place that knows the OpenTelemetry SDK, imported when traces
are wanted (extra `telemetry`).

The standard variables of the exporter hold (`OTEL_EXPORTER_OTLP_*`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`);
a setting of our own wins.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from taskgate import __version__
from taskgate.trace import Span

PATIENCE_S = 2.0
KINDS = {
    "gateway.submit": SpanKind.SERVER,
    "proxy.request": SpanKind.SERVER,
    "attempt": SpanKind.PRODUCER,
    "worker.execute": SpanKind.CONSUMER,
}


def sender(endpoint: str, *, service: str) -> Callable[[Sequence[Span]], bool]:
    """A function that sends spans, from any thread; whether the collector took them. "" leaves it to the variables,
    which may name another `service` too."""
    address = f"{endpoint.rstrip('/')}/v1/traces" if endpoint else None
    exporter = OTLPSpanExporter(endpoint=address, timeout=PATIENCE_S)
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": service}
    resource = Resource.create({**named, "service.version": __version__})
    scope = InstrumentationScope("taskgate", __version__)
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # an outage is said once, by who has the spans

    def send(spans: Sequence[Span]) -> bool:
        told = [_readable(span, resource=resource, scope=scope) for span in spans]
        return exporter.export(told) is SpanExportResult.SUCCESS

    return send


def _readable(span: Span, *, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    return ReadableSpan(
        name=span.name,
        context=_context(span.trace_id, span.span_id, is_remote=False),
        parent=_context(span.trace_id, span.parent_id, is_remote=True) if span.parent_id else None,
        resource=resource,
        attributes=span.attributes,
        kind=KINDS.get(span.name, SpanKind.INTERNAL),
        status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.OK),
        start_time=int(span.began_at * 1e9),
        end_time=int(span.ended_at * 1e9),
        instrumentation_scope=scope,
    )


def _context(trace_id: str, span_id: str, *, is_remote: bool) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=is_remote, trace_flags=TraceFlags(1))
