"""Answers of upstreams: the same reading however the bytes are cut, and none for what can be read in two ways."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskgate.proxy.reader import BODY, DONE, MAX_HEAD_BYTES, SWITCHED, WAITING, AnswerReader, BadAnswer

BODIES = st.binary(max_size=300)


def framed(body: bytes, *, sizes: list[int]) -> bytes:
    """A chunked body, cut into chunks of these sizes and the rest."""
    pieces, at = [], 0
    for size in sizes:
        if piece := body[at : at + size]:
            pieces.append(b"%x\r\n%b\r\n" % (len(piece), piece))
        at += size
    if rest := body[at:]:
        pieces.append(b"%x\r\n%b\r\n" % (len(rest), rest))
    return b"".join(pieces) + b"0\r\nx-trailer: 1\r\n\r\n"


def read(reader: AnswerReader, raw: bytes, *, cuts: list[int], may_switch: bool = False) -> bytes:
    """Feed an answer cut into segments; what of its body came."""
    reader.begin(is_head=False, may_switch=may_switch)
    body, at = b"", 0
    for cut in sorted({cut % (len(raw) + 1) for cut in cuts} | {len(raw)}):
        if cut > at:
            reader.feed(raw[at:cut])
            body += b"".join(reader.pieces)
            reader.pieces = []
            at = cut
    return body


@given(
    body=BODIES,
    sizes=st.lists(st.integers(1, 50), max_size=5),
    cuts=st.lists(st.integers(0, 1000), max_size=8),
    kind=st.sampled_from(["length", "chunks", "end"]),
    interim=st.booleans(),
)
def test_the_same_however_it_is_cut(body: bytes, sizes: list[int], cuts: list[int], kind: str, interim: bool) -> None:
    framing = {
        "length": b"Content-Length: %d\r\n\r\n%b" % (len(body), body),
        "chunks": b"Transfer-Encoding: chunked\r\n\r\n" + framed(body, sizes=sizes),
        "end": b"\r\n" + body,
    }[kind]
    raw = b"HTTP/1.1 103 Early\r\nA: b\r\n\r\n" * interim + b"HTTP/1.1 200 OK\r\nX: y\r\n" + framing
    reader = AnswerReader()
    for _ in range(2):  # a connection is used again
        assert read(reader, raw, cuts=cuts) == body
        if kind == "end":
            assert (reader.phase, reader.keep_alive) == (BODY, False)
            reader.feed(b"")
            return
        assert (reader.phase, reader.status, reader.keep_alive, reader.surplus) == (DONE, 200, True, False)
        assert b"".join(reader.lines) == b"X: y\r\n"
        assert [status for status, _ in reader.interim] == [103] * interim


@given(body=BODIES, cuts=st.lists(st.integers(0, 1000), max_size=8), behind=st.binary(min_size=1, max_size=50))
def test_bytes_behind_an_answer_are_noted_and_not_handed_on(body: bytes, cuts: list[int], behind: bytes) -> None:
    reader = AnswerReader()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    raw = head + body + behind
    assert read(reader, raw, cuts=cuts) == body
    assert reader.phase == DONE
    # a line end before the next answer is the one thing that a parser may swallow, and then nothing was said
    assert reader.surplus or not behind.strip(b"\r\n")


@given(raw=st.binary(max_size=200), cuts=st.lists(st.integers(0, 300), max_size=5))
def test_nonsense_is_refused_or_waited_for(raw: bytes, cuts: list[int]) -> None:
    reader = AnswerReader()
    try:
        body = read(reader, raw, cuts=cuts)
    except BadAnswer:
        return
    assert not body or reader.phase in (BODY, DONE)


REFUSED = [
    b"Content-Length: 2\r\nContent-Length: 2\r\n",
    b"Content-Length: 2, 2\r\n",
    b"Content-Length: +2\r\n",
    b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding: xchunked\r\n",
    b"A : b\r\n",
    b"A: b\r\n c\r\n",
    b"A: b\n",
    b"A: \x00\r\n",
]


@pytest.mark.parametrize("lines", REFUSED)
def test_heads_that_can_be_read_in_two_ways(lines: bytes) -> None:
    reader = AnswerReader()
    with pytest.raises(BadAnswer):
        read(reader, b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n2\r\nok\r\n0\r\n\r\n", cuts=[])


@pytest.mark.parametrize(
    "start", [b"HTTP/2.0 200 OK", b"HTTP/1.1 099 X", b"HTTP/1.1 600 X", b"ICY 200 OK", b"HTTP/1.1 20 O"]
)
def test_first_lines_that_are_not_http_1(start: bytes) -> None:
    with pytest.raises(BadAnswer):
        read(AnswerReader(), start + b"\r\nContent-Length: 0\r\n\r\n", cuts=[])


@pytest.mark.parametrize("raw", [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"HTTP/1.1 200", b""])
def test_an_end_in_the_middle(raw: bytes) -> None:
    reader = AnswerReader()
    read(reader, raw, cuts=[])
    with pytest.raises(BadAnswer):
        reader.feed(b"")


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified", b"200 OK"])
def test_answers_without_a_body(status: bytes) -> None:
    reader = AnswerReader()
    for _ in range(2):
        reader.begin(is_head=status.startswith(b"200"))
        reader.feed(b"HTTP/1.1 %b\r\nContent-Length: 5\r\n\r\n" % status)
        assert (reader.phase, reader.length, reader.keep_alive, reader.surplus) == (DONE, 5, True, False)


def test_only_an_upgrade_that_was_asked_for() -> None:
    raw = b"HTTP/1.1 101 Switching\r\nUpgrade: %b\r\nConnection: upgrade\r\n\r\nbehind"
    reader = AnswerReader()
    read(reader, raw % b"websocket", cuts=[], may_switch=True)
    assert (reader.phase, reader.rest) == (SWITCHED, b"behind")
    for name, may_switch in ((b"websocket", False), (b"h2c", True)):
        with pytest.raises(BadAnswer):
            read(AnswerReader(), raw % name, cuts=[], may_switch=may_switch)


def test_what_connection_names_is_for_us_alone() -> None:
    reader = AnswerReader()
    lines = b"A: 1\r\nX-Hop: 2\r\nConnection: x-hop, close, content-length\r\nB: 3\r\nContent-Length: 0\r\n"
    read(reader, b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n", cuts=[])
    assert b"".join(reader.lines) == b"A: 1\r\nB: 3\r\n"
    assert (reader.keep_alive, reader.length) == (False, 0)


def test_a_head_without_an_end() -> None:
    reader = AnswerReader()
    reader.begin(is_head=False)
    reader.feed(b"HTTP/1.1 200 OK\r\n")
    assert reader.phase == WAITING
    lines = b"".join(b"A%d: %b\r\n" % (number, b"x" * 8000) for number in range(40))
    with pytest.raises(BadAnswer):
        reader.feed(lines)


def outcome(reader: AnswerReader, raw: bytes, *, cuts: list[int], is_head: bool) -> tuple[object, ...]:
    """Everything that a reader says of an answer, whether it takes it or not."""
    reader.begin(is_head=is_head)
    body, at, error = b"", 0, ""
    try:
        for cut in sorted({cut % (len(raw) + 1) for cut in cuts} | {len(raw)}):
            if cut > at:
                reader.feed(raw[at:cut])
                body += b"".join(reader.pieces)
                reader.pieces = []
                at = cut
    except BadAnswer as bad:
        error = str(bad)
    told = (reader.phase, reader.status, reader.length, reader.keep_alive, reader.surplus)
    return (*told, b"".join(reader.lines), reader.interim, body, error)


ANSWERS = [
    b"HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 404 No\r\nA: 1\r\nX: 2\r\nConnection: close, x\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 204 None\r\nA: 1\r\n\r\n",
    b"HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 103 Hint\r\nA: 1\r\n\r\nHTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
    b"HTTP/1.1 200 OK\nA: 1\nContent-Length: 5\n\n",
]


ANSWER = st.tuples(
    st.sampled_from([b"", b"abcde", b"abc", b"abcde\r\n0\r\n\r\n", b"abcdeHTTP/1.1 200 OK\r\n", b"\r\n\r\nxx"]),
    st.one_of(st.just([]), st.lists(st.integers(0, 120), max_size=3)),
    st.sampled_from([False, False, True]),
)


def of_one_head(head: bytes) -> st.SearchStrategy[list[tuple[bytes, bytes, list[int], bool]]]:
    """A whole answer with this head, and then some others, most of them with the same one."""
    sizes: list[int] = []
    first = st.just((head, b"abcde", sizes, False))
    others = st.lists(st.tuples(st.sampled_from([head, head, head, *ANSWERS]), ANSWER), min_size=1, max_size=4)
    return st.tuples(first, others).map(
        lambda told: [told[0], *((name, rest[0], rest[1], rest[2]) for name, rest in told[1])]
    )


@settings(max_examples=300)
@given(asked=st.sampled_from(ANSWERS).flatmap(of_one_head))
def test_what_is_remembered_changes_nothing(asked: list[tuple[bytes, bytes, list[int], bool]]) -> None:
    """A reader that has read others before says what a new one says, until its connection is spent."""
    reader = AnswerReader()
    for head, body, cuts, is_head in asked:
        found = outcome(reader, head + body, cuts=cuts, is_head=is_head)
        assert found == outcome(AnswerReader(), head + body, cuts=cuts, is_head=is_head)
        if reader.phase != DONE or reader.surplus or not reader.keep_alive or found[-1]:
            return


@pytest.mark.parametrize("size", [1 << 20, MAX_HEAD_BYTES, 1000])
def test_a_head_is_too_large_however_few_segments_bring_it(size: int) -> None:
    answer = b"HTTP/1.1 200 OK\r\n" + b"X-A: a\r\n" * 60_000 + b"Content-Length: 2\r\n\r\nok"
    segments = [answer[place : place + size] for place in range(0, len(answer), size)]
    with pytest.raises(BadAnswer, match="too large"):
        fed(segments)


def fed(segments: list[bytes]) -> None:
    reader = AnswerReader()
    for segment in segments:
        reader.feed(segment)
