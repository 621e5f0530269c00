"""The front, segment by segment: what it takes for a request, in which order it answers, how it ends."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskgate.proxy.settings import ProxySettings
from tests.rules.proxy.stage import Stage, answers
from tests.security.vectors import HOSTS, SMUGGLING, Vector

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n"
WEBSOCKET = b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
H2C = b"GET /h HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"
LARGE = 200_000
LONG = b"PUT /long HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % LARGE


def filled(vector: Vector) -> bytes:
    return vector.sent.replace(b"@PATH", b"/p").replace(b"@HOST", b"api.example").replace(b"@AUTH", b"X-A: 1\r\n")


# The parser takes several spaces for one (RFC 9112 section 3 allows it); what goes upstream is written anew.
HARMLESS = {"two spaces in the request line"}
VECTORS = [vector for vector in (*SMUGGLING, *HOSTS) if vector.name not in HARMLESS]


@pytest.mark.parametrize("piece", [0, 7, 1])
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_one_request_in_is_one_request(vector: Vector, piece: int) -> None:
    """S12, S13: refused in order and closed, or exactly one request; nothing behind it is ever seen."""
    stage = Stage().say(filled(vector), piece)
    told = answers(stage.told)
    assert len(stage.items) <= max(vector.seen, 1 if vector.wanted != {400} else vector.seen)
    assert not any(item.head.path.endswith("/behind") for item in stage.items)
    assert [status for status, _ in told][:1] in ([status] for status in vector.wanted)
    if told[0][0] >= 400:
        assert len(told) == 1
        assert stage.transport.has_ended or stage.closed()


STREAM = [GET, POST, CHUNKED, H2C, LONG + b"z" * LARGE, b"HEAD /d?q=%2F HTTP/1.1\r\nHost: x\r\n\r\n"]
EXPECTED = [b"GET /a 0", b"POST /b 5", b"POST /c 5", b"GET /h 0", b"PUT /long %d" % LARGE, b"HEAD /d?q=%2F 0"]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_segments_make_no_difference(data: st.DataObject) -> None:
    """Any segmentation of a stream of requests gives the same requests and the same answers."""
    numbers = data.draw(st.lists(st.integers(0, len(STREAM) - 1), min_size=1, max_size=6))
    stream = b"".join(STREAM[number] for number in numbers)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=12)))
    stage = Stage()
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        stage.say(stream[start:end])
    assert [body for _, body in answers(stage.told)] == [EXPECTED[number] for number in numbers]
    assert [bytes(item.heard) for item in stage.items] == [body_of(number) for number in numbers]
    assert not stage.closed()


def body_of(number: int) -> bytes:
    return {1: b"hello", 2: b"abcde", 4: b"z" * LARGE}.get(number, b"")


def test_answers_come_in_order() -> None:
    """A pipelined request waits for its turn, and nothing more is read while one does."""
    stage = Stage(waits=["/a"]).say(GET + POST + GET)
    assert stage.told == b""
    assert stage.paused()
    first, second, third = stage.items
    assert (first.is_started, second.is_started, third.is_started) == (True, False, False)
    first.answer()
    assert answers(stage.told) == [(200, b"GET /a 0"), (200, b"POST /b 5")]
    assert third.is_started
    assert not stage.paused()
    third.answer()
    assert answers(stage.told) == [(200, b"GET /a 0")]


def test_ten_thousand_pipelined_requests() -> None:
    stage = Stage().say(GET * 10_000)
    assert len(answers(stage.told)) == 10_000


def test_thousands_that_waited_are_answered_without_depth() -> None:
    stage = Stage(waits=["/a"]).say(GET + POST * 3000)
    stage.items[0].answer()
    assert len(answers(stage.told)) == 3001


def test_each_holder_releases_its_own() -> None:
    stage = Stage()
    stage.front.hold(1)
    stage.front.hold(2)
    stage.front.release(2)
    stage.front.release(4)
    assert stage.paused()
    stage.front.release(1)
    assert not stage.paused()


def test_a_refusal_waits_for_its_turn() -> None:
    stage = Stage(waits=["/a"]).say(GET + b"GET /../x HTTP/1.1\r\nHost: x\r\n\r\n" + POST)
    assert stage.told == b""
    stage.items[0].answer()
    assert [status for status, _ in answers(stage.told)] == [200, 400]
    assert len(stage.items) == 1
    assert stage.transport.has_ended


def test_a_broken_body_reaches_the_item() -> None:
    broken = b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n"
    stage = Stage().say(broken)
    assert stage.items[0].fault is not None
    assert [status for status, _ in answers(stage.told)] == [400]
    waiting = Stage(waits=["/a"]).say(GET + broken)
    assert waiting.items[1].is_lost
    waiting.items[0].answer()
    assert [status for status, _ in answers(waiting.told)] == [200, 400]


def test_trailers_are_nobodys_headers() -> None:
    """Neither of the request they end nor of the next one: they would carry a credential past the check of its head."""
    sent = CHUNKED.replace(b"X-T: 1", b"X-API-Key: stolen\r\nHost: evil")
    stage = Stage().say(sent + GET)
    assert [item.head.special for item in stage.items] == [{}, {}]
    assert [item.head.pairs[0] for item in stage.items] == [(b"host", b"x")] * 2
    assert len(stage.items[1].head.pairs) == 1


def test_close_ends_the_connection() -> None:
    stage = Stage().say(GET.replace(b"Host: x", b"Host: x\r\nConnection: close") + GET)
    assert len(answers(stage.told)) == 1
    assert stage.closed() or stage.transport.has_ended


def test_an_early_answer_lingers() -> None:
    """The caller still sends: it gets the answer and the end of the stream, not a reset."""
    stage = Stage(waits=["/long"]).say(LONG + b"z" * 100)
    stage.items[0].answer()
    assert stage.transport.has_ended
    assert not stage.closed()
    stage.say(b"z" * 100_000)
    assert not stage.closed()
    stage.say(b"z" * (1 << 20))
    assert stage.closed()
    patient = Stage(waits=["/long"]).say(LONG)
    patient.items[0].answer()
    patient.turn.later(3)
    assert patient.closed()


def test_a_short_rest_of_a_body_is_drained() -> None:
    stage = Stage(waits=["/b"]).say(POST[:-3])
    stage.items[0].answer(keep_alive=True)
    stage.say(POST[-3:] + GET)
    assert answers(stage.told) == [(200, b"POST /b 2"), (200, b"GET /a 0")]
    assert not stage.closed()


def test_heads_have_their_time() -> None:
    idle = Stage()
    idle.turn.later(10.1)
    assert idle.closed()
    assert idle.told == b""
    trickle = Stage()
    for start in range(0, 27, 3):
        trickle.say(GET[start : start + 3])
        trickle.turn.later(1.2)
    assert [status for status, _ in answers(trickle.told)] == [408]
    assert trickle.transport.has_ended


def test_later_heads_have_their_time_too() -> None:
    stage = Stage().say(GET)
    stage.turn.later(20)
    assert not stage.closed()
    stage.say(GET[:10])
    stage.turn.later(9)
    stage.say(GET[10:12])
    stage.turn.later(2)
    assert [status for status, _ in answers(stage.told)] == [200, 408]
    behind = Stage(waits=["/a"]).say(GET + GET[:10])
    behind.items[0].answer()
    behind.turn.later(11)
    assert [status for status, _ in answers(behind.told)] == [200, 408]


def test_idle_connections_are_closed() -> None:
    stage = Stage().say(GET)
    stage.turn.later(74)
    assert not stage.closed()
    stage.turn.later(2)
    assert stage.closed()


@pytest.mark.parametrize("request_", [POST[:-2], CHUNKED[:-20], LONG + b"z" * 50_000 + b"y" * 50_000])
def test_bodies_must_move(request_: bytes) -> None:
    stage = Stage().say(request_, 60_000)
    stage.turn.later(29)
    assert not stage.told
    stage.turn.later(2)
    assert stage.items[0].fault is not None
    assert [status for status, _ in answers(stage.told)] == [408]


def test_a_body_that_we_do_not_read_has_all_time() -> None:
    stage = Stage(waits=["/long"]).say(LONG)
    stage.front.hold(1)
    assert stage.paused()
    stage.turn.later(100)
    assert not stage.told
    stage.front.release(1)
    assert not stage.paused()


def test_a_waiting_answer_has_all_time() -> None:
    stage = Stage(waits=["/b"]).say(POST)
    stage.turn.later(1000)
    assert not stage.closed()
    stage.items[0].deadline = stage.turn.now + 5
    stage.turn.later(6)
    assert stage.items[0].expired == [stage.turn.now]


def test_large_heads() -> None:
    limits = ProxySettings(max_head_bytes=2000, max_headers=10)
    line = b"X-Long: " + b"a" * 400 + b"\r\n"
    for sent in (b"GET /a HTTP/1.1\r\nHost: x\r\n" + line * 5 + b"\r\n", b"GET /" + b"a" * 3000):
        for piece in (0, 500):
            stage = Stage(limits).say(sent, piece)
            assert [status for status, _ in answers(stage.told)] == [431]
    small = Stage(limits).say(b"GET /a HTTP/1.1\r\nHost: x\r\n" + line * 4 + b"\r\n" + GET * 200)
    assert len(answers(small.told)) == 201
    many = Stage(limits).say(b"GET /a HTTP/1.1\r\nHost: x\r\n" + b"A: 1\r\n" * 10 + b"\r\n")
    assert [status for status, _ in answers(many.told)] == [431]


def test_bodies_made_of_framing() -> None:
    """S39: endless trailers, chunk extensions."""
    head = CHUNKED.partition(b"3\r\n")[0]
    for flood in (b"1;" + b"a" * 100_000, b"0\r\n" + b"X-T: 1\r\n" * 20_000):
        stage = Stage().say(head + flood, 1000)
        assert stage.items[0].fault is not None
    honest = Stage().say(head + b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n", 1000)
    assert answers(honest.told) == [(200, b"POST /c 50000")]


def test_a_tunnel_gets_what_was_read_behind_the_request() -> None:
    stage = Stage(waits=["/ws", "/a"]).say(GET + WEBSOCKET + b"\x81\x00first")
    stage.items[0].answer()
    item = stage.items[1]
    assert (item.is_started, item.head.upgrade, item.is_whole) == (True, "websocket", True)
    stage.say(b"second")
    pipe = stage.tunnel()
    stage.say(b"third")
    assert bytes(pipe.heard) == b"\x81\x00firstsecondthird"
    stage.front.pause_writing()
    stage.front.resume_writing()
    assert pipe.paces == [False, True]
    stage.front.eof_received()
    stage.front.connection_lost(None)
    assert (pipe.is_ended, pipe.is_lost, item.is_lost) == (True, True, False)


def test_a_refused_upgrade_ends_the_connection() -> None:
    stage = Stage(waits=["/ws"]).say(WEBSOCKET + GET)
    stage.items[0].answer(keep_alive=True)
    assert len(answers(stage.told)) == 1
    assert stage.transport.has_ended


def test_a_caller_who_leaves() -> None:
    stage = Stage(waits=["/a"]).say(GET + GET)
    stage.front.connection_lost(None)
    assert [item.is_lost for item in stage.items] == [True, True]
    assert stage.turn.timed == set()
    assert stage.state.connections == set()
    stage.items[0].front.write(b"late")
    assert stage.told == b""


def test_a_half_closed_caller_is_answered_for_a_while() -> None:
    stage = Stage(waits=["/a"]).say(GET)
    assert stage.front.eof_received()
    stage.items[0].answer()
    assert len(answers(stage.told)) == 1
    assert stage.closed()
    slow = Stage(waits=["/a"]).say(GET)
    assert slow.front.eof_received()
    slow.turn.later(2.5)
    assert slow.transport.is_cut
    slow.front.connection_lost(None)
    assert slow.items[0].is_lost
    assert not Stage().front.eof_received()
    cut = Stage().say(POST[:-1])
    cut.front.eof_received()
    assert [status for status, _ in answers(cut.told)] == [400]


def test_a_caller_who_does_not_read_is_cut() -> None:
    stage = Stage(waits=["/a"]).say(GET)
    stage.transport.waiting = 100_000
    stage.front.pause_writing()
    assert stage.items[0].paces == [False]
    stage.turn.later(31)
    assert stage.transport.is_cut
    slow = Stage(waits=["/a"]).say(GET)
    slow.transport.waiting = 100_000
    slow.front.pause_writing()
    for left in range(99_000, 90_000, -1000):
        slow.transport.waiting = left
        slow.turn.later(31)
    assert not slow.transport.is_cut
    slow.front.resume_writing()
    slow.turn.later(100)
    assert not slow.transport.is_cut


def test_the_end_of_the_gateway() -> None:
    idle = Stage().say(GET)
    idle.front.shutdown()
    assert idle.closed()
    busy = Stage(waits=["/a"]).say(GET)
    busy.front.shutdown()
    assert not busy.closed()
    assert busy.front.is_stopping
    busy.items[0].answer()
    assert len(answers(busy.told)) == 1
    assert busy.closed()


def test_a_failure_while_a_request_is_taken_in_cuts() -> None:
    def claims(front: object, head: object) -> None:
        raise ZeroDivisionError

    stage = Stage(claims=claims).say(GET)
    assert stage.transport.is_cut
