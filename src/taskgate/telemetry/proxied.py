"""Spans of proxied calls: one for each call whose trace is told, the parent of what the service does with it.

It decides whether a call's trace is told, and what its span says; it never holds up a call.
"""

from __future__ import annotations

from random import getrandbits

from taskgate.clock import Clock
from taskgate.telemetry.tracing import Tracer
from taskgate.trace import Span, below, parent_span_of, trace_id_of, traceparent_of


class CallSpans:
    """What the data plane asks when traces are told at all: where a call stands in its trace, and that it has ended."""

    def __init__(self, tracer: Tracer, clock: Clock) -> None:
        self._tracer = tracer
        self._clock = clock

    def begin(self, sent: bytes | None) -> tuple[str, str]:
        """The traceparent that goes on to the service, with the call's own span in it, and the caller's span; the
        latter is empty where the trace begins here, and where it is not told."""
        traceparent = traceparent_of(sent)
        is_root = sent is None or traceparent.encode() != sent
        if is_root or not self._tracer.tells(traceparent):
            return traceparent, ""
        return below(traceparent, f"{getrandbits(64) | 1:016x}"), parent_span_of(traceparent)

    def ended(
        self,
        traceparent: str,
        parent_span: str,
        *,
        lasted_s: float,
        status: int,
        error: str,
        attributes: dict[str, str | int],
    ) -> None:
        """A call is over; `status` 0 is a cut. Errors are those of the gateway's making and answers of 500 and more."""
        if not self._tracer.tells(traceparent):
            return
        now = self._clock.now()
        failed = error or (str(status) if status >= 500 else "CUT" if status == 0 else "")
        self._tracer.add(
            Span(
                name="proxy.request",
                trace_id=trace_id_of(traceparent),
                span_id=parent_span_of(traceparent),
                parent_id=parent_span,
                began_at=now - lasted_s,
                ended_at=now,
                error=failed,
                attributes={**attributes, "http.response.status_code": status},
            )
        )
