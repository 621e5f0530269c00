"""What goes back to the scheduler: results and log lines in the fields that it reads. Pure.

The names of the fields and the exit codes are the scheduler's; whatever a run is called here must not show in them.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from taskgate.journal.entry import Entry
from taskgate.runs.run import Run, Status

_STATUS = {
    Status.SUCCEEDED: ("success", 0),
    Status.FAILED: ("failed", 1),
    Status.TIMED_OUT: ("timeout", 124),
    Status.CANCELLED: ("cancelled", 130),
}


def result_of(run: Run) -> dict[str, str]:
    """The fields of an ended run's result."""
    status, exit_code = _STATUS[run.status]
    started_at, ended_at = run.started_at or run.created_at, run.ended_at or run.created_at
    fields = {
        "run_id": run.idempotency_key,
        "task_id": _task_id(run),
        "worker_id": run.current.holder if run.current is not None else "",
        "status": status,
        "exit_code": str(exit_code),
        "error_message": f"{run.error.code}: {run.error.message}" if run.error is not None else "",
        "started_at": _moment(started_at),
        "finished_at": _moment(ended_at),
        "duration_ms": str(max(0, round((ended_at - started_at) * 1000))),
        "taskgate_run_id": run.id,
    }
    if run.output is not None:
        fields["data"] = _as_object(run.output)
    return fields


def line_of(entry: Entry) -> dict[str, str]:
    """The fields of a journal entry as a log line."""
    log_type = entry.stream if entry.stream in ("stdout", "stderr") else "system"
    text = entry.text
    if entry.kind == "progress" and entry.fraction is not None:
        text = f"{entry.fraction:.0%} {text}".rstrip()
    return {"log_type": log_type, "content": text, "timestamp": _moment(entry.at), "sequence": str(entry.seq)}


def _task_id(run: Run) -> str:
    try:
        content = msgspec.json.decode(run.input, type=dict[str, msgspec.Raw])
        return str(msgspec.json.decode(content["task_id"]))
    except (msgspec.DecodeError, KeyError):
        return run.idempotency_key


def _as_object(output: bytes) -> str:
    """The output as the JSON object that the scheduler wants; any other value stands under `result`."""
    text = output.decode()
    return text if text.lstrip().startswith("{") else f'{{"result":{text}}}'


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
