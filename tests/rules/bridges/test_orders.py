"""What a scheduler writes becomes a submission, or a refusal with a reason; nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.bridges.streams.orders import cancelled_in, order_of
from taskgate.errors import InvalidInput

ENTRY = {
    b"task_id": b"t-1", b"run_id": b"r-1", b"project_id": b"p", b"project_type": b"code", b"priority": b"3",
    b"params": b'{"n":1}', b"environment": b"{}", b"timeout": b"60", b"download_url": b"", b"entry_point": b"main.py",
    b"is_compressed": b"true",
}  # fmt: skip


def test_an_entry_of_the_scheduler() -> None:
    order_id, submission = order_of(ENTRY, default_task="scheduler.run")
    assert (order_id, submission.task, submission.idempotency_key) == ("r-1", "scheduler.run", "r-1")
    assert (submission.priority, submission.timeout_s) == (3, 60.0)
    content = json.loads(submission.input)
    assert content["params"] == {"n": 1}
    assert content["is_compressed"] is True
    assert (content["entry_point"], content["timeout"], content["priority"]) == ("main.py", 60, 3)


def test_a_task_of_its_own_and_the_id_of_the_task() -> None:
    order_id, submission = order_of({b"task_id": b"only", b"task": b"text.keywords"}, default_task="x")
    assert (order_id, submission.task, submission.timeout_s, submission.priority) == ("only", "text.keywords", None, 0)
    assert json.loads(submission.input)["run_id"] == "only"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({b"run_id": b"", b"task_id": b""}, "NO_RUN_ID"),
        ({b"run_id": b"a b"}, "NO_RUN_ID"),
        ({b"run_id": b"x" * 201}, "NO_RUN_ID"),
        ({b"params": b"{"}, "NOT_JSON"),
        ({b"params": b"[" * 100_000 + b"]" * 100_000}, "NOT_JSON"),
        ({b"priority": b"high"}, "NOT_A_NUMBER"),
        ({b"timeout": b"1e400"}, "NOT_A_NUMBER"),
        ({b"timeout": b"9" * 400}, "NOT_A_NUMBER"),
        ({b"params": b"\xff"}, "NOT_TEXT"),
        ({b"\xfe": b""}, "NOT_TEXT"),
        ({b"params": b"1" * (17 << 20)}, "ENTRY_TOO_LARGE"),
    ],
)
def test_what_is_no_order(change: dict[bytes, bytes], code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        order_of({**ENTRY, **change}, default_task="x")
    assert refused.value.code == code


@given(st.dictionaries(st.binary(max_size=12), st.binary(max_size=40), max_size=8))
def test_any_entry_is_one_or_the_other(fields: dict[bytes, bytes]) -> None:
    try:
        order_id, submission = order_of({b"run_id": b"r", **fields}, default_task="x")
    except InvalidInput:
        return
    assert order_id
    assert isinstance(json.loads(submission.input), dict)


def test_cancels() -> None:
    assert cancelled_in({b"control_type": b"cancel", b"run_id": b"r-1"}) == "r-1"
    assert cancelled_in({b"control_type": b'"kill"', b"run_id": b'"r-1"'}) == "r-1"
    assert cancelled_in({b"control_type": b"cancel", b"task_id": b"t-1"}) == "t-1"
    assert cancelled_in({b"control_type": b"config_update", b"run_id": b"r-1"}) == ""
    assert cancelled_in({b"control_type": b"\xff"}) == ""
    assert cancelled_in({}) == ""
