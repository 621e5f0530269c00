"""The stream's parser and the tail, without a socket: any cutting of the bytes reads the same (INV-L1)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.client.following import Event, EventStream, follow
from taskgate.client.steps import Answer, Lost
from taskgate.errors import RemoteLinkError, Unavailable
from tests.rules.client.driving import StillClock, answer, patience, play

STREAM = Answer(status=200)


def event(seq: int, kind: str = "log", **members: Any) -> bytes:
    entry = {"seq": seq, "kind": kind, "text": f"line {seq}", **members}
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (seq, kind.encode(), msgspec.json.encode(entry))


@given(st.data())
def test_any_cutting_of_the_bytes_reads_the_same(data: st.DataObject) -> None:
    newline = data.draw(st.sampled_from([b"\n", b"\r\n"]))
    texts = data.draw(st.lists(st.text(max_size=20), max_size=6))
    whole = b": hello\n\n" + b"".join(event(n, text=text) for n, text in enumerate(texts, 1))
    whole = whole.replace(b"\n", newline)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    stream = EventStream()
    events = [event for piece in pieces for event in stream.feed(piece)]
    assert [msgspec.json.decode(event.content)["text"] for event in events] == texts


def test_fields_of_an_event() -> None:
    stream = EventStream()
    assert stream.feed(b"data:a\ndata: b\n\nevent: end\n\nid: 3\ndata: c\n\ndata: half") == [
        Event("", b"a\nb"),
        Event("", b"c"),
    ]
    assert stream.feed(b"\n\n") == [Event("", b"half")]


def test_an_endless_line_is_refused() -> None:
    stream = EventStream()
    for _ in range(8):
        assert stream.feed(b"x" * (1 << 20)) == []
    with pytest.raises(RemoteLinkError):
        stream.feed(b"x")


def test_a_stream_may_be_quiet_for_days() -> None:
    """Comments are signs of life: a cut after them has the whole patience again."""
    clock = StillClock()
    comments = [b":\n\n"] * 3

    def replies() -> Any:
        yield STREAM
        for comment in comments:
            clock.at += 86_400
            yield comment
        yield Lost(reason="cut")
        yield STREAM
        yield event(1, "result")

    played = play(follow("r", 0, patience=patience(clock, total_s=10)), replies(), clock)
    assert played.error is None
    assert [entry.seq for entry in played.items] == [1]


def test_a_stream_that_never_comes_back_is_given_up() -> None:
    clock = StillClock()
    played = play(follow("r", 0, patience=patience(clock, total_s=10)), [Lost(reason="cut")] * 100, clock)
    assert isinstance(played.error, Unavailable)
    assert sum(played.pauses) <= 10


def test_a_server_that_only_opens_and_closes_is_not_asked_in_a_hurry() -> None:
    clock = StillClock()
    opened_and_closed: list[Answer | bytes] = [STREAM, b""]
    replies = [*opened_and_closed * 6, STREAM, event(1, "result")]
    played = play(follow("r", 0, patience=patience(clock)), iter(replies), clock)
    assert played.pauses == [0.25, 0.5, 1, 2, 4, 8]


def test_an_entry_that_cannot_be_read_is_told() -> None:
    clock = StillClock()
    played = play(follow("r", 0, patience=patience(clock)), [STREAM, b"data: {oops\n\n"], clock)
    assert isinstance(played.error, RemoteLinkError)


def test_a_refusal_is_not_repeated() -> None:
    clock = StillClock()
    played = play(follow("r", 0, patience=patience(clock)), [answer({"code": "NOT_FOUND"}, 404)], clock)
    assert played.error is not None
    assert len(played.requests) == 1
