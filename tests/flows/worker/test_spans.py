"""The worker's own spans: below their attempt's, above the task's, never in anybody's way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from taskgate.trace import Span, span_of
from taskgate.wire.messages import EMPTY, Task
from taskgate.worker import spans
from taskgate.worker.settings import WorkerSettings
from taskgate.worker.spans import Spans, spans_of

TRACE, ATTEMPT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def task(*, flags: str = "01") -> Task:
    place = f"00-{TRACE}-{ATTEMPT}-{flags}" if flags else ""
    return Task(
        run_id="r1", attempt=2, lease_token="t", tracking_id="r1", capability="demo", payload=EMPTY, traceparent=place
    )


class Heard:
    """What a collector was told; it may be away."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.is_away = False

    def __call__(self, told: Sequence[Span]) -> bool:
        if self.is_away:
            raise ConnectionError("away")
        self.spans += told
        return True


async def test_a_try_is_told_below_its_attempt_and_its_task_stands_below_it() -> None:
    heard = Heard()
    mine = Spans(lambda: heard, worker_id="w1")
    place = mine.place_of(task())
    mine.ended(task(), began_at=10.0, ended_at=11.5)
    mine.ended(task(), began_at=12.0, ended_at=11.0, error="TIMEOUT")
    await mine.close()
    good, bad = heard.spans
    assert (good.trace_id, good.parent_id, good.error) == (TRACE, ATTEMPT, "")
    assert place == f"00-{TRACE}-{good.span_id}-01"
    assert good.span_id == span_of("r1", "2/execute")
    assert (bad.error, bad.began_at, bad.ended_at) == ("TIMEOUT", 12.0, 12.0)
    assert good.attributes["taskgate.run_id"] == "r1"


@pytest.mark.parametrize("flags", ["00", ""])
async def test_what_its_caller_did_not_sample_is_not_told(flags: str) -> None:
    heard = Heard()
    mine = Spans(lambda: heard, worker_id="w1")
    assert mine.place_of(task(flags=flags)) == task(flags=flags).traceparent
    mine.ended(task(flags=flags), began_at=1.0, ended_at=2.0)
    await mine.close()
    assert heard.spans == []


async def test_a_collector_that_is_away_costs_spans_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "QUEUE", 3)
    monkeypatch.setattr(spans, "FLUSH_S", 0.01)
    heard = Heard()
    heard.is_away = True
    mine = Spans(lambda: heard, worker_id="w1")
    for _ in range(5):
        mine.ended(task(), began_at=1.0, ended_at=2.0)
    assert mine.dropped_count == 2
    mine.start()
    for _ in range(500):
        if mine.dropped_count == 5:
            break
        await asyncio.sleep(0.01)
    heard.is_away = False
    mine.ended(task(), began_at=1.0, ended_at=2.0)
    await mine.close()
    assert len(heard.spans) == 1
    assert mine.dropped_count == 5


def test_nobody_is_told_where_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a task keeps its attempt's place."""
    for name in spans.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert spans_of(WorkerSettings(tasks=("t",)), "w1").place_of(task()) == task().traceparent
    for wanted in (WorkerSettings(tasks=("t",), otlp_endpoint="http://127.0.0.1:1"),):
        assert spans_of(wanted, "w1").place_of(task()) != task().traceparent
