"""One trace from the caller's span to the end of its run, received by a real OTLP collector (written here)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Told

from taskgate.otlp import sender
from taskgate.telemetry.tracing import QUEUE, Tracer
from taskgate.trace import below, span_of
from tests.edge.http.house import HandSeat, House

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"


class Collector:
    """An OTLP/HTTP receiver in a thread; `status` is what it answers."""

    def __init__(self) -> None:
        self.spans: list[Told] = []
        self.status = 200
        outer = self

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if outer.status == 200:
                    request = ExportTraceServiceRequest.FromString(body)
                    outer.spans += [s for r in request.resource_spans for sc in r.scope_spans for s in sc.spans]
                self.send_response(outer.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Receiver)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def named(self, name: str) -> list[Told]:
        return [span for span in self.spans if span.name == name]


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


def tracer_of(house: House, collector: Collector) -> Tracer:
    return Tracer(house.gateway.bus, house.gateway.clock, send=lambda: sender(collector.url, service="taskgate"))


async def submit(house: House, traceparent: str) -> tuple[str, HandSeat]:
    seat = await house.worker("demo.echo")
    key = await house.key("submit")
    headers = [("traceparent", traceparent)]
    reply = await house.ask("POST", "/v1/tasks/demo.echo/runs", {"input": {"n": 1}}, key=key, headers=headers)
    assert reply.status == 202
    return str(reply.told["id"]), seat


async def test_one_trace_joins_caller_gateway_worker_and_end(house: House, collector: Collector) -> None:
    tracer = tracer_of(house, collector)
    await tracer.start()
    run_id, seat = await submit(house, SAMPLED)
    offer = await asyncio.wait_for(seat.offers.get(), 5)
    assert offer.traceparent == below(SAMPLED, span_of(run_id, "1"))
    await house.finish(offer)
    await tracer.stop()
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    (accepted,), (whole,), (attempt,) = map(collector.named, ("gateway.submit", "run", "attempt"))
    assert accepted.parent_span_id.hex() == whole.parent_span_id.hex() == PARENT
    assert attempt.parent_span_id == whole.span_id
    assert attempt.span_id.hex() == offer.traceparent[36:52]
    assert whole.start_time_unix_nano <= attempt.start_time_unix_nano <= whole.end_time_unix_nano
    assert tracer.dropped_count == 0


async def test_another_gateway_tells_the_same_spans(house: House, collector: Collector) -> None:
    """A restart between acceptance and end: ids come from the run, so the trace is whole."""
    before = tracer_of(house, collector)
    await before.start()
    run_id, seat = await submit(house, SAMPLED)
    await before.stop()
    after = tracer_of(house, collector)
    await after.start()
    await house.finish(await asyncio.wait_for(seat.offers.get(), 5))
    await after.stop()
    assert {span.span_id.hex() for span in collector.named("run")} == {span_of(run_id)}
    assert {span.span_id.hex() for span in collector.named("attempt")} == {span_of(run_id, "1")}


async def test_the_callers_word_on_sampling_counts(house: House, collector: Collector) -> None:
    tracer = tracer_of(house, collector)
    await tracer.start()
    _, seat = await submit(house, UNSAMPLED)
    offer = await asyncio.wait_for(seat.offers.get(), 5)
    assert offer.traceparent.endswith("-00")
    await house.finish(offer)
    await tracer.stop()
    assert collector.spans == []


async def test_a_collector_that_refuses_disturbs_nothing(house: House, collector: Collector) -> None:
    collector.status = 400
    tracer = tracer_of(house, collector)
    await tracer.start()
    _, seat = await submit(house, SAMPLED)
    await house.finish(await asyncio.wait_for(seat.offers.get(), 5))
    await tracer.stop()
    assert tracer.dropped_count == 3


async def test_the_queue_of_spans_is_bounded(house: House, collector: Collector) -> None:
    tracer = tracer_of(house, collector)
    for _ in range(QUEUE // 100 + 2):
        run_id, _ = await submit(house, SAMPLED)
        (run,) = await house.gateway.stores.book.get([run_id])
        for _ in range(100):
            tracer._accepted(type("Event", (), {"run": run}))  # type: ignore[arg-type]
    assert len(tracer._waiting) == QUEUE
    assert tracer.dropped_count > 0


def test_without_a_collector_nothing_is_imported(house: House) -> None:
    assert house.gateway.watch.tracer is None
