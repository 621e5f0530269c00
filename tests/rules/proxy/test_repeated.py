"""Headers sent again are not read again, and nobody can tell: not by what is taken for a request, nor by its answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskgate.proxy.repeated import Repeated
from tests.rules.proxy.stage import Recorder, Stage, answers

LINES = [
    b"GET /a HTTP/1.1",
    b"GET /b?c=/d%2F HTTP/1.1",
    b"DELETE /%41 HTTP/1.1",
    b"HEAD /a HTTP/1.1",
    b"POST /a HTTP/1.1",
    b"GET /a HTTP/1.0",
    b"GET  /a HTTP/1.1",
    b"GET /a#b HTTP/1.1",
    b"GET /a?b#c HTTP/1.1",
    b"GET /a/../b HTTP/1.1",
    b"GET http://x/a HTTP/1.1",
    b"FOO /a HTTP/1.1",
    b"GET /a\r\nX: GET /b HTTP/1.1",
    b"GET /a HTTP/1.1\r\nX: y",
    b"\r\nGET /a HTTP/1.1",
]
BLOCKS = [
    b"\r\nHost: x\r\n\r\n",
    b"\r\nHost: x\r\nX-API-Key: k\r\nVia: 1.1 a\r\nA: b\r\n\r\n",
    b"\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"\r\nHost: x\r\nContent-Length: 2\r\n\r\nab",
    b"\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"\r\nHost: x\r\nContent-Length: 4\r\n\r\n\r\n\r\n",
    b"\r\nHost: x\r\nContent-Length: 30\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n..",
    b"\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
    b"\r\nHost: x\r\nHost: y\r\n\r\n",
]
TAILS = [b"", b"", b"", b"", b"GET", b"G", b"GET /b HTTP/1.1\r\nX: ", b"\r\n", b"junk"]
PLAIN = LINES[0] + BLOCKS[0]


def outcome(segments: list[bytes], *, piece: int = 0) -> tuple[Any, ...]:
    """What a connection takes these bytes for."""
    stage = Stage()
    for segment in segments:
        stage.say(segment, piece)
    heads = [_told(item) for item in stage.items]
    told = [(status, body if status == 200 else b"") for status, body in answers(stage.told)]
    return heads, told, stage.closed(), stage.transport.has_ended


def _told(item: Recorder) -> tuple[Any, ...]:
    head = item.head
    first = (head.method, head.target, head.path, head.query, head.version, head.host)
    rest = (head.body_length, head.keep_alive, head.upgrade, head.expects_continue, head.caller, head.scheme)
    return first, tuple(head.pairs), head.lines, head.special, rest, bytes(item.heard), item.is_whole, item.is_lost


def segment_of(draw: tuple[bytes, bytes, bytes]) -> bytes:
    return b"".join(draw)


WHOLE = st.tuples(
    st.one_of(st.sampled_from(LINES[:3]), st.sampled_from(LINES)),
    st.one_of(st.just(BLOCKS[0]), st.sampled_from(BLOCKS)),
    st.sampled_from(TAILS),
).map(segment_of)
SEGMENTS = st.one_of(WHOLE, WHOLE, WHOLE, st.sampled_from(TAILS[4:]))


@settings(max_examples=400, deadline=None)
@given(segments=st.lists(SEGMENTS, min_size=1, max_size=5), is_begun=st.booleans())
def test_what_is_remembered_changes_nothing(segments: list[bytes], is_begun: bool) -> None:
    """Segments with one head each, and the same bytes one by one, of which no head can be remembered."""
    told = [PLAIN] * is_begun + segments
    assert outcome(told) == outcome([b"".join(told)], piece=1)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("block", BLOCKS)
def test_every_line_with_every_block(line: bytes, block: bytes) -> None:
    segments = [b"POST /a HTTP/1.1" + block, line + block, PLAIN]
    assert outcome(segments) == outcome([b"".join(segments)], piece=1)


def test_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    before = Repeated.read

    def noted(self: Repeated, data: bytes) -> Any:
        head = before(self, data)
        read.extend([data] if head is not None else [])
        return head

    monkeypatch.setattr(Repeated, "read", noted)
    stage = Stage().say(PLAIN).say(LINES[1] + BLOCKS[0]).say(LINES[0] + BLOCKS[1]).say(LINES[2] + BLOCKS[1])
    assert read == [LINES[1] + BLOCKS[0], LINES[2] + BLOCKS[1]]
    stage.say(LINES[4] + BLOCKS[3]).say(b"PUT /z HTTP/1.1" + BLOCKS[3])
    assert bytes(stage.items[-1].heard) == b"ab"
    assert read[2:] == [b"PUT /z HTTP/1.1" + BLOCKS[3]]
    assert stage.items[0].head.memory is stage.items[1].head.memory is not stage.items[2].head.memory


def test_trace_and_what_no_method_is_go_to_the_parser() -> None:
    repeated = Repeated(BLOCKS[0], Stage().say(PLAIN).items[0].head)
    for method in (b"TRACE", b"CONNECT", b"FOO"):
        assert repeated.read(method + b" /a HTTP/1.1" + BLOCKS[0]) is None


def test_a_header_that_began_in_an_earlier_segment_is_not_forgotten() -> None:
    segments = [b"GET /a HTTP/1.1\r\nA: ", PLAIN, b"GET /c HTTP/1.1" + BLOCKS[0]]
    assert outcome(segments) == outcome([b"".join(segments)], piece=1)


def test_who_waits_for_an_answer_is_read_by_the_parser() -> None:
    stage = Stage(waits=["/a"]).say(PLAIN).say(PLAIN)
    assert [item.is_started for item in stage.items] == [True, False]
    assert stage.paused()
