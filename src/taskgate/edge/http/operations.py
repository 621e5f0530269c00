"""The raw endpoints as the document tells them.

A test holds that every route that is served stands here or beside its FastAPI endpoint, and nothing else.
"""

from __future__ import annotations

from typing import Any

from taskgate.edge.http import shapes
from taskgate.edge.http.bodies import BatchBody, SubmitBody, WaitBody
from taskgate.edge.http.described import Gives, described, parameter
from taskgate.edge.http.past_operations import past_operations
from taskgate.edge.http.run_log_operations import run_log_operations

TEXT = {"type": "string"}
NUMBER = {"type": "integer", "minimum": 0}
TASK = parameter("task", "path", schema=TEXT, description="Name of the task.")
RUN = parameter("run_id", "path", schema={"type": "string", "format": "uuid"}, description="Id of the run.")
IDEMPOTENCY_KEY = parameter(
    "Idempotency-Key",
    "header",
    schema={"type": "string", "maxLength": 255},
    description="The same key with the same body gives the same run for 24 hours; with another body it is refused.",
)
PREFER = parameter(
    "Prefer",
    "header",
    schema=TEXT,
    description="`wait=10` answers with the ended run when it ends within 10 seconds (at most 60).",
    example="wait=10",
)
SUBMIT_RESPONSES: dict[int, Gives] = {
    200: (shapes.RunShape, "The run, ended: only with `Prefer: wait`, when it ended in time."),
    202: (shapes.AcceptedShape, "Accepted: the run is on disk. `Location` says where to read it."),
}

Operations = dict[tuple[str, str], dict[str, Any]]


def raw_operations() -> Operations:
    """Operations by (method, path template)."""
    return {**_submitting(), **_reading(), **run_log_operations(), **past_operations(), **_watching(), **_pages()}


def _submitting() -> Operations:
    return {
        ("POST", "/v1/tasks/{task}/runs"): described(
            summary="Submit a run",
            tag="Runs",
            operation_id="submitRun",
            scope="submit",
            takes=SubmitBody,
            gives=SUBMIT_RESPONSES,
            parameters=[TASK, IDEMPOTENCY_KEY, PREFER],
            description="Answered only when the run is on disk: from then on it is done at least once, "
            "or ends with a reason.",
        ),
        ("POST", "/v1/tasks/{task}/runs/batch"): described(
            summary="Submit up to 1,000 runs",
            tag="Runs",
            operation_id="submitRuns",
            scope="submit",
            takes=BatchBody,
            gives={200: shapes.BatchShape},
            parameters=[TASK],
        ),
    }


def _reading() -> Operations:
    last_id = parameter(
        "Last-Event-ID", "header", schema=NUMBER, description="Where a stream that was cut goes on; wins over `after`."
    )
    after = parameter("after", "query", schema=NUMBER, description="Entries behind this number.")
    limit = parameter(
        "limit", "query", schema={"type": "integer", "minimum": 1, "maximum": 1000}, description="Entries of one page."
    )
    journal = described(
        summary="Read a run's journal",
        tag="Runs",
        operation_id="readJournal",
        scope="read",
        gives={200: shapes.JournalShape},
        parameters=[RUN, after, limit, last_id],
        description="With `Accept: text/event-stream` the journal comes live, one event per entry, and ends with "
        "`event: end` behind the entry of kind `result`.",
    )
    journal["responses"]["200"]["content"]["text/event-stream"] = {"schema": TEXT}
    return {
        ("GET", "/v1/runs/{run_id}"): described(
            summary="Show a run",
            tag="Runs",
            operation_id="readRun",
            scope="read",
            gives={200: shapes.RunShape},
            parameters=[RUN],
        ),
        ("GET", "/v1/runs/{run_id}/journal"): journal,
        ("POST", "/v1/runs/wait"): described(
            summary="Wait until one of many runs ends",
            tag="Runs",
            operation_id="waitForRuns",
            scope="read",
            takes=WaitBody,
            gives={200: shapes.EndedShape},
        ),
    }


def _key_set() -> dict[str, Any]:
    return described(
        summary="Public keys of this gateway's tokens",
        tag="Keys",
        operation_id="readKeySet",
        scope="",
        gives={200: "A key set (RFC 7517): with these anybody can check a token of this gateway."},
    )


def _watching() -> Operations:
    metrics = described(
        summary="Metrics for Prometheus",
        tag="Gateway",
        operation_id="readMetrics",
        scope="metrics",
        gives={200: "Prometheus text, or OpenMetrics where that is accepted."},
    )
    return {("GET", "/metrics"): metrics}


def _pages() -> Operations:
    version = parameter(
        "version", "query", schema={"enum": ["3.1", "3.2"]}, description="OpenAPI version of the document."
    )
    health = {
        path: described(
            summary=summary, tag="Gateway", operation_id=operation_id, scope="", gives={200: shapes.HealthShape}
        )
        for path, summary, operation_id in (
            ("/health", "Is the gateway there?", "health"),
            ("/health/live", "Does the process answer?", "healthLive"),
            ("/health/ready", "Can it take work? 503 while a dependency is away", "healthReady"),
        )
    }
    document = described(
        summary="This document, as far as this caller may see it",
        tag="Gateway",
        operation_id="readDocument",
        scope="",
        gives={200: "The OpenAPI document."},
        parameters=[version],
    )
    collection = described(
        summary="This document as a Postman collection",
        tag="Gateway",
        operation_id="readCollection",
        scope="",
        gives={200: "A collection of format 2.1; `baseUrl` and `apiKey` are its variables."},
    )
    return {
        **{("GET", path): operation for path, operation in health.items()},
        ("GET", "/openapi.json"): document,
        ("GET", "/gateway/jwks.json"): _key_set(),
        ("GET", "/postman.json"): collection,
    }
