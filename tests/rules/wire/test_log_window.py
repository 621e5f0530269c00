"""What a worker keeps of its log: bounded, in order, and forgotten exactly when it is durable (INV-L1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.errors import LocalLinkError
from taskgate.wire.log_window import LINE_BYTES, LogWindow
from taskgate.wire.messages import Log, LogAck, LogLine, Progress

KEY = ("r1", 1)


def log(first: int, count: int = 1, stream: str = "stdout", text: str = "x") -> Log:
    lines = [LogLine(seq=seq, text=text) for seq in range(first, first + count)]
    return Log(run_id="r1", attempt=1, lease_token="t", stream=stream, lines=lines)


def ack(seq: int, stream: str = "stdout") -> LogAck:
    return LogAck(run_id="r1", attempt=1, stream=stream, seq=seq)


@pytest.mark.parametrize(
    "bad",
    [
        log(2), log(0), log(1, 0), log(1, stream="progress"),
        Log(run_id="r1", attempt=1, lease_token="t", lines=[LogLine(seq=1, text=""), LogLine(seq=3, text="")]),
        Progress(run_id="r1", attempt=1, lease_token="t", seq=2, fraction=0.1),
    ],
)  # fmt: skip
def test_numbers_must_follow_on(bad: Log | Progress) -> None:
    window = LogWindow(1000)
    with pytest.raises(LocalLinkError):
        window.add(bad)
    assert window.room_bytes == 1000
    assert not list(window.again())


def test_streams_are_numbered_apart() -> None:
    window = LogWindow(10_000)
    window.add(log(1, 2))
    window.add(log(1, stream="stderr"))
    window.add(Progress(run_id="r1", attempt=1, lease_token="t", seq=1, fraction=0.1))
    window.add(log(3))
    assert len(list(window.again())) == 4
    assert window.acked(ack(3))
    assert window.acked(ack(1, "progress"))
    assert [message.stream for message in window.again() if isinstance(message, Log)] == ["stderr"]


def test_a_batch_that_is_durable_in_part_is_said_again_whole() -> None:
    window = LogWindow(10_000)
    window.add(log(1, 3))
    window.add(log(4, 2))
    assert window.acked(ack(4))
    assert list(window.again()) == [log(4, 2)]
    assert not window.acked(ack(4))
    assert not window.acked(LogAck(run_id="r2", attempt=1, stream="stdout", seq=1))


def test_a_full_window_takes_nothing() -> None:
    window = LogWindow(LINE_BYTES + 1)
    window.add(log(1))
    assert window.room_bytes == 0
    with pytest.raises(LocalLinkError):
        window.add(log(2))


def test_an_ended_run_is_forgotten_with_its_last_line() -> None:
    window = LogWindow(10_000)
    window.add(log(1))
    window.end(KEY)
    assert window.acked(ack(1))
    window.add(log(1))  # a fresh stream: nothing was left of the old one
    window.discard(KEY)
    window.end(KEY)
    assert window.room_bytes == 10_000


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 4), st.integers(0, 20)), max_size=30))
def test_what_is_kept_is_always_a_tail(steps: list[tuple[str, int, int]]) -> None:
    window = LogWindow(1 << 20)
    said: dict[str, int] = {"a": 0, "b": 0}
    durable: dict[str, int] = {"a": 0, "b": 0}
    for stream, count, acked in steps:
        window.add(log(said[stream] + 1, count, stream))
        said[stream] += count
        durable[stream] = max(durable[stream], min(acked, said[stream]))
        window.acked(ack(durable[stream], stream))
        for name, last in said.items():
            kept = [line.seq for m in window.again() if isinstance(m, Log) and m.stream == name for line in m.lines]
            assert kept == list(range(last - len(kept) + 1, last + 1))
            assert len(kept) >= last - durable[name]
    weight = sum((1 + LINE_BYTES) * len(m.lines) for m in window.again() if isinstance(m, Log))
    assert window.room_bytes == (1 << 20) - weight
