"""What a task returned or raised, as an answer: there is always one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from taskgate import NonRetryable, Retry
from taskgate.worker import answers
from taskgate.worker.verdicts import RunStopped


@dataclass
class Box:
    content: Any


class Stubborn(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def error_of(answer: answers.Answer) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(answer.body)
    return found


def raised(error: BaseException) -> answers.Answer:
    try:
        raise error
    except BaseException as caught:
        return answers.failure(caught)


def test_json_comes_out_as_it_went_in() -> None:
    answer = answers.output({"a": [1, 2.5, None, "é"], "b": Box(True)}, 1000)
    assert answer.is_ok
    assert msgspec.json.decode(answer.body) == {"a": [1, 2.5, None, "é"], "b": {"content": True}}


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (object(), "at `$` stands object"),
        ({"rows": [{"at": 1}, {"at": object()}]}, "at `$.rows[1].at` stands object"),
        ((1, Box({"x": object()})), "at `$[1].content.x` stands object"),
        ({(1, 2): 3}, "at `$` stands dict"),
        ("\ud800", "at `$` stands str"),
        (1j, "at `$` stands complex"),
    ],
)
def test_what_is_not_json_is_named_with_its_place(value: Any, place: str) -> None:
    answer = answers.output(value, 1000)
    assert (answer.is_ok, answer.code, answer.error_class, answer.retryable) == (
        False, "OUTPUT_NOT_JSON", "invalid", False,
    )  # fmt: skip
    assert place in error_of(answer)["message"]


def test_a_result_without_an_end_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert answers.output(circle, 1000).code == "OUTPUT_NOT_JSON"
    assert answers.output(deep, 1000).code == "OUTPUT_NOT_JSON"


def test_a_result_over_its_limit_is_refused() -> None:
    assert answers.output("x" * 98, 100).is_ok
    answer = answers.output("x" * 99, 100)
    assert (answer.code, answer.retryable) == ("OUTPUT_TOO_LARGE", False)
    assert "101 bytes of JSON, 100 are allowed" in error_of(answer)["message"]


@pytest.mark.parametrize(
    ("error", "code", "error_class", "retryable"),
    [
        (ValueError("bad"), "TASK_FAILED", "task", None),
        (Retry("later"), "TASK_FAILED", "task", True),
        (NonRetryable("never"), "TASK_FAILED", "task", False),
        (ModuleNotFoundError("no torch"), "TASK_FAILED", "task", False),
        (SyntaxError("odd"), "TASK_FAILED", "task", False),
        (MemoryError(), "OUT_OF_MEMORY", "memory", None),
        (SystemExit(0), "TASK_FAILED", "task", None),
        (KeyboardInterrupt(), "TASK_FAILED", "task", None),
        (RunStopped("now"), "STOPPED", "cancelled", None),
        (Stubborn(), "TASK_FAILED", "task", None),
    ],
)
def test_each_kind_of_error_says_whether_to_try_again(
    error: BaseException, code: str, error_class: str, retryable: bool | None
) -> None:
    answer = raised(error)
    assert (answer.is_ok, answer.code, answer.error_class, answer.retryable) == (False, code, error_class, retryable)
    assert error_of(answer)["type"] == type(error).__name__


def test_a_wish_for_later_is_a_moment() -> None:
    before = time.time()
    retry_at = raised(Retry(after_s=30)).retry_at
    assert retry_at is not None
    assert 30 <= retry_at - before < 31
    assert raised(Retry()).retry_at is None


def test_an_error_shows_where_and_stays_small() -> None:
    error = error_of(raised(ValueError("long " * 100_000 + "\ud800")))
    assert error["message"].startswith("ValueError: long long")
    assert len(error["message"]) <= answers.MESSAGE_CHARS
    assert "test_answers.py" in error["traceback"]
    assert len(error["traceback"]) <= answers.TRACEBACK_CHARS + 100


def test_an_error_that_cannot_be_shown_is_shown_as_that() -> None:
    assert error_of(raised(Stubborn()))["message"] == "Stubborn: (its message cannot be shown)"
    assert error_of(raised(SystemExit(3)))["message"] == "SystemExit: the task called sys.exit(3)"
