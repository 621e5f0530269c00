"""The endpoints of history and of the audit log as the document tells them.

They are raw endpoints, so the document knows of them only from here.
"""

from __future__ import annotations

from typing import Any

from taskgate.edge.http import past_shapes, shapes
from taskgate.edge.http.described import described, parameter

TEXT = {"type": "string", "maxLength": 400}
MOMENT = {"type": "string", "format": "date-time"}
PAGE_LIMIT = {"type": "integer", "minimum": 1, "maximum": 200}
CURSOR = parameter("cursor", "query", schema=TEXT, description="Go on behind this place.")
FROM = parameter("from", "query", schema=MOMENT, description="Not before this moment.")
TO = parameter("to", "query", schema=MOMENT, description="Before this moment.")
LIMIT = parameter("limit", "query", schema=PAGE_LIMIT, description="How many at most.")

Operations = dict[tuple[str, str], dict[str, Any]]


def past_operations() -> Operations:
    """Operations by (method, path template)."""
    return {**_history(), **_audit()}


def _history() -> Operations:
    ends = {"enum": ["succeeded", "failed", "cancelled", "timed_out"]}
    filters = [
        parameter("task", "query", schema=TEXT, description="Only runs of this task."),
        parameter("status", "query", schema=ends, description="Only runs with this end."),
        FROM,
        TO,
        parameter("label", "query", schema=TEXT, description="`name=value`"),
        parameter("holder", "query", schema=TEXT, description="Only runs that this worker or service had."),
        parameter("id", "query", schema=TEXT, description="How the run's id begins."),
        CURSOR,
    ]
    return {
        ("GET", "/gateway/history"): described(
            summary="List runs of long ago",
            tag="History",
            operation_id="listHistory",
            scope="read",
            gives={200: shapes.RunsShape},
            parameters=[*filters, LIMIT],
            description="Ended runs in the archive, newest end first; moments are those of their ends. `GET /v1/runs` "
            "lists what the ledger still has. One of these is read at `GET /v1/runs/{run_id}`.",
        ),
        ("GET", "/gateway/history/export"): lines(
            described(
                summary="Export runs of long ago",
                tag="History",
                operation_id="exportHistory",
                scope="read",
                gives={200: "Whole runs, one JSON object a line, each with the `cursor` to go on behind it."},
                parameters=filters,
                description="Streamed as fast as it is read. A stream that was cut goes on with the `cursor` of its "
                "last whole line.",
            )
        ),
    }


def lines(operation: dict[str, Any]) -> dict[str, Any]:
    """An operation that answers with lines of JSON."""
    operation["responses"]["200"]["content"] = {"application/x-ndjson": {"schema": {"type": "string"}}}
    return operation


def _audit() -> Operations:
    after = {"type": "integer", "minimum": 0, "maximum": 10**15 - 1}
    filters = [
        parameter("action", "query", schema=TEXT, description="Only this action, like `key.create`."),
        parameter("outcome", "query", schema=TEXT, description="`begun done refused failed denied noted`"),
        parameter("actor", "query", schema=TEXT, description="Only deeds of the credential with this id."),
        parameter("subject", "query", schema=TEXT, description="Only deeds about this."),
        FROM,
        TO,
        LIMIT,
        parameter("cursor", "query", schema=after, description="`cursor` of the page before."),
    ]
    return {
        ("GET", "/gateway/audit"): described(
            summary="Who did what",
            tag="Audit",
            operation_id="listAudit",
            scope="admin",
            gives={200: past_shapes.AuditPageShape},
            parameters=filters,
        ),
        ("GET", "/gateway/audit/ends"): described(
            summary="Where the audit log begins and ends",
            tag="Audit",
            operation_id="readAuditEnds",
            scope="admin",
            gives={200: past_shapes.AuditEndsShape},
            description="A head that is noted elsewhere proves later that nothing before it was changed.",
        ),
        ("GET", "/gateway/audit/export"): lines(
            described(
                summary="Export the audit log",
                tag="Audit",
                operation_id="exportAudit",
                scope="admin",
                gives={200: "Every entry as it was hashed, one JSON object a line, oldest first."},
                parameters=[parameter("after", "query", schema=after, description="Entries behind this number.")],
            )
        ),
    }
