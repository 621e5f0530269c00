"""One trace over real processes: the caller's, its attempt's, the worker's own span, and what the task sees."""

from __future__ import annotations

import json
from urllib.request import Request, urlopen

import pytest

from taskgate import Client
from taskgate.trace import span_of
from tests.edge.http.test_traces import SAMPLED, TRACE, Collector
from tests.system.cluster import GatewayProcess
from tests.system.conftest import NewWorker, until_online


def test_a_worker_tells_its_span_and_the_task_stands_below_it(
    gateway: GatewayProcess, client: Client, new_worker: NewWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = Collector()
    try:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        worker = new_worker("w1", slots=1)
        until_online(client, 1)
        headers = {"X-API-Key": gateway.admin_key, "traceparent": SAMPLED, "content-type": "application/json"}
        url = f"{gateway.url}/v1/tasks/sys.trace/runs"
        with urlopen(Request(url, b'{"input": {}}', headers, method="POST"), timeout=10) as answer:
            run = client.run(json.load(answer)["id"])
        place = run.output(30.0)
        worker.stop()  # what waits is told before it leaves
        (span,) = collector.named("worker.execute")
        assert span.trace_id.hex() == TRACE
        assert span.parent_span_id.hex() == span_of(run.id, str(run.attempts[-1].number))
        assert place == f"00-{TRACE}-{span.span_id.hex()}-01"
        assert {each.key: each.value.string_value for each in span.attributes}["taskgate.run_id"] == run.id
        assert span.end_time_unix_nano >= span.start_time_unix_nano
    finally:
        collector.close()
