"""What a task may say and ask."""

from __future__ import annotations

import logging

import pytest

from taskgate import Context


class Ear:
    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []
        self.cancelled = False

    def log(self, text: str, level: str) -> None:
        self.heard.append((text, level))

    def progress(self, fraction: float, text: str) -> None:
        self.heard.append((fraction, text))

    def is_cancelled(self) -> bool:
        return self.cancelled

    def hand(self, name: str, offset: int, *, content: bytes, sha256: str) -> int:
        return offset + len(content)


def test_words_reach_the_listener() -> None:
    ear = Ear()
    context = Context(run_id="r", attempt=3, tenant={"site_id": "s"}, listener=ear)
    context.log("one")
    context.log({"two": 2}, level="warning")
    context.progress(0.5, "half")
    assert ear.heard == [("one", "info"), ("{'two': 2}", "warning"), (0.5, "half")]
    assert (context.run_id, context.attempt, context.tenant["site_id"]) == ("r", 3, "s")


@pytest.mark.parametrize(("said", "heard"), [(-1, 0.0), (2, 1.0), (float("nan"), 0.0), (float("inf"), 1.0), (1, 1.0)])
def test_progress_is_a_fraction(said: float, heard: float) -> None:
    ear = Ear()
    Context(listener=ear).progress(said)
    assert ear.heard == [(heard, "")]


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="level is one of"):
        Context().log("x", level="loud")


def test_cancelled_asks_the_listener() -> None:
    ear = Ear()
    context = Context(listener=ear)
    assert not context.cancelled
    ear.cancelled = True
    assert context.cancelled


def test_time_left() -> None:
    assert Context().time_left_s is None
    left_s = Context(timeout_s=60).time_left_s
    assert left_s is not None
    assert 59 < left_s <= 60
    assert Context(timeout_s=0).time_left_s == 0.0


def test_without_a_gateway_words_go_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "taskgate.task"):
        Context().log("hello", level="error")
        Context().progress(0.25, "a quarter")
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("ERROR", "hello"),
        ("INFO", " 25% a quarter"),
    ]
    assert not Context().cancelled
