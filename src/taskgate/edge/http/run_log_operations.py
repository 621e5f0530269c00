"""Uploading and reading logs as the document tells it.

Beside the table of the other raw endpoints (`operations.py`).
"""

from __future__ import annotations

from typing import Any

from taskgate.edge.http import run_log_shapes
from taskgate.edge.http.described import described, parameter

NUMBER = {"type": "integer", "minimum": 0}
FLAG = {"type": "boolean"}
HEX = {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}
TEXT = {"type": "string"}
RUN = parameter("run_id", "path", schema={"type": "string", "format": "uuid"}, description="Id of the run.")
STREAM = parameter(
    "stream",
    "path",
    schema={"type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$"},
    description="Name of the log, as the uploader chose it.",
    example="build.log",
)
LEASE = [
    parameter("X-Attempt", "header", schema=NUMBER, description="Attempt of the lease that the caller holds."),
    parameter("X-Lease-Token", "header", schema=TEXT, description="Token of that lease."),
]
FACTS = "The headers `X-Log-Offset`, `X-Log-Sealed`, `X-Log-Attempt` and, once it is sealed, `Repr-Digest` tell the "
Operations = dict[tuple[str, str], dict[str, Any]]


def run_log_operations() -> Operations:
    """Operations by (method, path template)."""
    path = "/v1/runs/{run_id}/logs"
    listing = described(
        summary="List the uploaded logs of a run",
        tag="Runs",
        operation_id="listRunLogs",
        scope="read",
        gives={200: run_log_shapes.RunLogsShape},
        parameters=[RUN],
    )
    return {
        ("GET", path): listing,
        ("GET", f"{path}/{{stream}}"): _reading(),
        ("PUT", f"{path}/{{stream}}"): _writing(),
    }


def _reading() -> dict[str, Any]:
    operation = described(
        summary="Read an uploaded log",
        tag="Runs",
        operation_id="readRunLog",
        scope="read",
        gives={
            200: "The bytes that are there now; with `meta` what is known of the log, as JSON.",
            206: "The part that `Range` asked for.",
        },
        parameters=[
            RUN,
            STREAM,
            parameter("meta", "query", schema=FLAG, description="Tell about the log instead."),
            parameter("attempt", "query", schema=NUMBER, description="Of this attempt, not of the last that has it."),
            parameter("Range", "header", schema=TEXT, description="One part of it.", example="bytes=0-1023"),
            *LEASE,
        ],
        description=FACTS + "same; `HEAD` gives them alone. The holder of the run may read too, showing its lease.",
    )
    shape = run_log_shapes.RunLogShape
    told = described(summary="", tag="", operation_id="", scope="", gives={200: shape})["responses"]["200"]["content"]
    binary = {"schema": {"type": "string", "format": "binary"}}
    operation["responses"]["200"]["content"] = {"text/plain": binary, "application/octet-stream": binary, **told}
    return operation


def _writing() -> dict[str, Any]:
    operation = described(
        summary="Upload a piece of a log",
        tag="Runs",
        operation_id="writeRunLog",
        scope="worker",
        gives={
            200: (run_log_shapes.RunLogShape, "The log is sealed: the whole has the checksum that was said."),
            202: (run_log_shapes.RunLogShape, "The piece is on disk; the next one begins at `offset`."),
        },
        parameters=[
            RUN,
            STREAM,
            parameter("offset", "query", schema=NUMBER, description="At which byte the piece begins."),
            parameter("final", "query", schema=FLAG, description="Seal the log behind this piece, which may be empty."),
            parameter("total", "query", schema=NUMBER, description="With `final`: bytes of the whole."),
            parameter("sha256", "query", schema=HEX, description="With `final`: checksum of the whole."),
            parameter("Content-Digest", "header", schema=TEXT, description="`sha-256=:BASE64:` of the piece."),
            parameter("X-Checksum-Sha256", "header", schema=HEX, description="The same in hex; one of both is needed."),
            *LEASE,
        ],
        description="Only the run's present holder may: it shows its lease, or its key is bound to the worker that "
        "has it; for a while after the end of the run too. A piece that was sent before is a success. Other bytes at "
        "its place (409 `LOG_DIFFERS`), a gap (409 `LOG_GAP`) and a sealed log (409 `LOG_CLOSED`) are refused with the "
        "`offset` to go on from, a wrong checksum with 422 `CHECKSUM_MISMATCH`: nothing is stored then. 429 "
        "(`JOURNAL_BEHIND`, or `PIECES_AT_ONCE` for more than 16 of one credential) asks to come back later.",
    )
    body = {"schema": {"type": "string", "format": "binary", "maxLength": 1 << 20}}
    operation["requestBody"] = {"required": False, "content": {"application/octet-stream": body}}
    return operation
