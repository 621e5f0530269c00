"""What a scheduler reads of an ended run."""

from __future__ import annotations

import pytest

from taskgate.bridges.streams.answers import line_of, result_of
from taskgate.journal.entry import Entry
from taskgate.runs.run import Attempt, Run, RunError, Status, Tenant
from taskgate.runs.task import QueueKey


def ended(status: Status, *, output: bytes | None = None, error: RunError | None = None, content: bytes = b"{}") -> Run:
    attempt = Attempt(number=1, target="workers", chain_position=0, holder="w1", granted_at=1.0)
    return Run(
        id="RUN", tenant=Tenant(site_id="s"), task="t", definition="d", queue=QueueKey("t"), input=content,
        status=status, current=attempt, created_at=0.0, started_at=10.0, ended_at=12.5, output=output, error=error,
        idempotency_key="r-1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "word", "exit_code"),
    [
        (Status.SUCCEEDED, "success", "0"),
        (Status.FAILED, "failed", "1"),
        (Status.TIMED_OUT, "timeout", "124"),
        (Status.CANCELLED, "cancelled", "130"),
    ],
)
def test_states(status: Status, word: str, exit_code: str) -> None:
    told = result_of(ended(status, content=b'{"task_id":"t-1"}'))
    assert (told["status"], told["exit_code"], told["run_id"], told["task_id"]) == (word, exit_code, "r-1", "t-1")
    assert (told["worker_id"], told["duration_ms"], told["taskgate_run_id"]) == ("w1", "2500", "RUN")
    assert told["started_at"] == "1970-01-01T00:00:10.000+00:00"
    assert "data" not in told


def test_outputs_and_errors() -> None:
    assert result_of(ended(Status.SUCCEEDED, output=b' {"a":1}'))["data"] == ' {"a":1}'
    assert result_of(ended(Status.SUCCEEDED, output=b"[1]"))["data"] == '{"result":[1]}'
    told = result_of(ended(Status.FAILED, error=RunError(code="BROKE", message="no"), content=b"no object"))
    assert (told["error_message"], told["task_id"]) == ("BROKE: no", "r-1")


def test_lines() -> None:
    told = line_of(Entry(seq=7, kind="log", at=1.5, text="hello", stream="stderr"))
    assert told == {
        "log_type": "stderr", "content": "hello", "timestamp": "1970-01-01T00:00:01.500+00:00", "sequence": "7",
    }  # fmt: skip
    assert line_of(Entry(seq=8, kind="progress", at=0.0, text="half", fraction=0.5))["content"] == "50% half"
