"""S28 where HTTP/1 applies: HTTP/2 is not spoken here, and whoever tries is answered once, in HTTP/1, and cut."""

from __future__ import annotations

import struct

import pytest

from tests.system.proxy.fronts import Front
from tests.system.proxy.raw import say
from tests.system.proxy.recorder import Recorder

pytestmark = [pytest.mark.security, pytest.mark.system]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def h2_frame(kind: int, *, flags: int = 0, stream: int = 0, body: bytes = b"") -> bytes:
    return struct.pack("!I", len(body))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + body


FLOODS = {
    "preface": PREFACE,
    "settings": PREFACE + h2_frame(4) * 50_000,
    "pings": PREFACE + h2_frame(6, body=bytes(8)) * 50_000,
    "resets": PREFACE + h2_frame(4) + b"".join(h2_frame(3, stream=n * 2 + 1, body=bytes(4)) for n in range(50_000)),
    "continuations": PREFACE + h2_frame(1, stream=1, body=b"x") + h2_frame(9, stream=1, body=b"x" * 1000) * 2_000,
}


@pytest.mark.parametrize("name", FLOODS)
def test_http2_is_refused_once(front: Front, recorder: Recorder, name: str) -> None:
    before = len(recorder.requests)
    heard = say(front.port, FLOODS[name])
    assert heard.is_closed
    assert heard.statuses in ([400], [405], [505], [])  # a flood may be reset before the answer is read
    assert name != "preface" or heard.statuses == [400]
    assert len(recorder.requests) == before


def test_an_upgrade_to_http2_is_a_plain_request(front: Front, recorder: Recorder) -> None:
    lines = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
    heard = say(front.port, b"GET /up/h2c HTTP/1.1\r\nHost: a\r\n" + front.lines + lines + PREFACE)
    assert heard.statuses[0] == 200
    assert 101 not in heard.statuses
    assert len(recorder.seen("/h2c")) == 1
    assert heard.is_closed
