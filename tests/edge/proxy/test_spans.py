"""Spans of proxied calls: between the caller's span and whatever the service makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from taskgate.bus import Bus
from taskgate.clock import SystemClock
from taskgate.telemetry.proxied import CallSpans
from taskgate.telemetry.tracing import Tracer
from taskgate.trace import Span
from tests.edge.proxy.stand import Answer, Peer, Stand, everything, request, standing

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Told:
    """A tracer whose spans end here."""

    def __init__(self, *, ratio: float = 1.0) -> None:
        self.spans: list[Span] = []
        self.tracer = Tracer(Bus(), SystemClock(), send=lambda: self._send, ratio=ratio)

    def _send(self, spans: Sequence[Span]) -> bool:
        self.spans += spans
        return True

    async def watch(self, stand: Stand) -> None:
        await self.tracer.start()
        stand.plane.means.tracing = CallSpans(self.tracer, SystemClock())


async def traced(stand: Stand, traceparent: str) -> Answer:
    lines = f"connection: close\r\ntraceparent: {traceparent}\r\n".encode() if traceparent else b"connection: close\r\n"
    return Answer(await stand.ask(request(lines=lines)))


async def test_a_call_is_a_span_and_the_parent_of_what_the_service_does() -> None:
    told = Told()
    async with standing() as stand:
        await told.watch(stand)
        upstream = await stand.upstream()
        stand.register(upstream.url, everything())
        for _ in range(2):  # the same bytes again are a call of their own
            assert (await traced(stand, f"00-{TRACE}-{CALLER}-01")).status == 200
        heard = [one.lines("traceparent")[0] for one in upstream.heard]
        await told.tracer.stop()
    assert len(set(heard)) == 2
    assert [f"00-{span.trace_id}-{span.span_id}-01" for span in told.spans] == heard
    assert {(span.name, span.trace_id, span.parent_id, span.error) for span in told.spans} == {
        ("proxy.request", TRACE, CALLER, "")
    }
    span = told.spans[0]
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["taskgate.service"] == "svc"
    assert 0 <= span.ended_at - span.began_at < 30


async def test_a_trace_that_begins_here_has_no_parent() -> None:
    told = Told()
    async with standing() as stand:
        await told.watch(stand)
        upstream = await stand.upstream()
        stand.register(upstream.url, everything())
        for sent in ("", "nonsense", f"00-{'0' * 32}-{CALLER}-01"):
            assert (await traced(stand, sent)).status == 200
        heard = [one.lines("traceparent")[0] for one in upstream.heard]
        await told.tracer.stop()
    assert [span.parent_id for span in told.spans] == ["", "", ""]
    assert [f"00-{span.trace_id}-{span.span_id}-01" for span in told.spans] == heard


@pytest.mark.parametrize(("flags", "ratio"), [("00", 1.0), ("01", 0.0)])
async def test_what_is_not_sampled_passes_unchanged_and_untold(flags: str, ratio: float) -> None:
    told = Told(ratio=ratio)
    async with standing() as stand:
        await told.watch(stand)
        upstream = await stand.upstream()
        stand.register(upstream.url, everything())
        sent = f"00-{TRACE}-{CALLER}-{flags}"
        assert (await traced(stand, sent)).status == 200
        assert upstream.heard[0].lines("traceparent") == [sent]
        await told.tracer.stop()
    assert told.spans == []


async def test_failures_and_cuts_are_errors() -> None:
    told = Told()

    async def breaks(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")

    async def fails(peer: Peer) -> None:
        await peer.request()
        await peer.answer(status="503 Service Unavailable")

    async with standing() as stand:
        await told.watch(stand)
        for script in (breaks, fails):
            upstream = await stand.upstream(script)
            stand.register(upstream.url, everything())
            async with asyncio.timeout(20):
                await traced(stand, f"00-{TRACE}-{CALLER}-01")
        stand.register("http://127.0.0.1:1", everything())
        async with asyncio.timeout(20):
            assert (await traced(stand, f"00-{TRACE}-{CALLER}-01")).status in (502, 503)
        await told.tracer.stop()
    assert [bool(span.error) for span in told.spans] == [True, True, True]
    assert [span.attributes["http.response.status_code"] for span in told.spans][:2] == [0, 503]


@pytest.mark.parametrize(("ratio", "low", "high"), [(0.0, 0, 0), (0.25, 150, 350), (1.0, 1000, 1000)])
def test_the_fraction_is_chosen_by_the_id(ratio: float, low: int, high: int) -> None:
    from taskgate.trace import traceparent_of

    told = Told(ratio=ratio)
    traces = [traceparent_of(None) for _ in range(1000)]
    chosen = [trace for trace in traces if told.tracer.tells(trace)]
    assert low <= len(chosen) <= high
    assert all(told.tracer.tells(trace[:36] + "00f067aa0ba902b7-01") for trace in chosen)
