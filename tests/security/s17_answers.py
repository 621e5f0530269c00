"""S17: an upstream's answer that cannot be read in one way only is a 502 of ours; nothing behind an answer is served.

A compromised upstream may write any bytes. They never become a header, a second answer or somebody else's answer.
"""

from __future__ import annotations

import uuid

import pytest

from tests.system.proxy.fronts import Front
from tests.system.proxy.raw import Heard, say
from tests.system.proxy.recorder import OK, Recorder

pytestmark = [pytest.mark.security, pytest.mark.system]

SPLIT = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Evil: 1\r\n\r\nevil!"
BAD = {
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
    "two equal lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "length and coding": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "length with a sign": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
    "length list": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nok",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok",
    "bare LF in the head": b"HTTP/1.1 200 OK\r\nX-A: 1\nX-Evil: 1\r\nContent-Length: 2\r\n\r\nok",
    "bare CR in a value": b"HTTP/1.1 200 OK\r\nX-A: 1\rX-Evil: 1\r\nContent-Length: 2\r\n\r\nok",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nX-A: a\x00b\r\nContent-Length: 2\r\n\r\nok",
    "folded header": b"HTTP/1.1 200 OK\r\nX-A: 1\r\n X-Evil: 1\r\nContent-Length: 2\r\n\r\nok",
    "space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    "header without a colon": b"HTTP/1.1 200 OK\r\nrubbish\r\nContent-Length: 2\r\n\r\nok",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "version 2": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "switching unasked": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "nothing": b"",
    "a huge head": b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * (1 << 20) + b"\r\nContent-Length: 2\r\n\r\nok",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X-A: a\r\n" * 60_000 + b"Content-Length: 2\r\n\r\nok",
}


def called(front: Front, path: str) -> Heard:
    return say(front.port, f"GET /up/{path} HTTP/1.1\r\nHost: api.example\r\n".encode() + front.lines + b"\r\n")


@pytest.mark.parametrize("name", BAD)
def test_a_doubtful_answer_is_a_502(front: Front, recorder: Recorder, name: str) -> None:
    mark = uuid.uuid4().hex
    recorder.answers[mark] = BAD[name]
    recorder.closing.add(mark)
    heard = called(front, mark)
    assert heard.statuses == [502]
    assert heard.answers[0].get("gateway-error-source") == "gateway"
    assert b"X-Evil" not in heard.raw
    assert called(front, "well").statuses == [200]


@pytest.mark.parametrize(
    "behind", [SPLIT, b"\r\n" + SPLIT, b"rubbish", b"0\r\n\r\n" + SPLIT], ids=["answer", "line", "rubbish", "chunk"]
)
def test_nothing_behind_an_answer_is_served(front: Front, recorder: Recorder, behind: bytes) -> None:
    """Response splitting: bytes that came unasked are nobody's answer, and their connection is used no more."""
    mark = uuid.uuid4().hex
    recorder.answers[mark] = OK + behind
    heard = called(front, mark)
    assert heard.statuses == [200]
    assert heard.answers[0].body == b"ok"
    assert [called(front, f"{mark}-{number}").answers[0].body for number in range(5)] == [b"ok"] * 5
    assert b"evil" not in heard.raw


def test_a_cut_body_is_a_cut_for_the_caller(front: Front, recorder: Recorder) -> None:
    for name, answer in {
        "length": b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf",
        "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    }.items():
        mark = f"{name}-{uuid.uuid4().hex}"
        recorder.answers[mark] = answer
        recorder.closing.add(mark)
        heard = called(front, mark)
        assert heard.is_closed
        assert heard.statuses in ([200], [502])
        assert heard.statuses == [502] or not heard.answers[0].is_whole
