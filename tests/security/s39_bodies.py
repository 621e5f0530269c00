"""S39, F24: bodies and heads made to be expensive: a hundred thousand parts, one-byte chunks, endless trailers.

Each costs the gateway less than a hundred times what it cost to send, in memory and in time (INV-R3).
"""

from __future__ import annotations

import time

import pytest

from benchmarks.usage import cpu_s, resident_bytes
from tests.system.proxy.fronts import Front
from tests.system.proxy.raw import Heard, say
from tests.system.proxy.recorder import Recorder

pytestmark = [pytest.mark.security, pytest.mark.system]

MIB = 1 << 20
PARTS = (
    b"".join(b'--b\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nx\r\n' % number for number in range(100_000))
    + b"--b--\r\n"
)

EXPENSIVE = [
    b"[" * 1_000_000,
    b'{"input":' + b'{"a":' * 1_000_000,
    b'{"input":{' + b",".join(b'"k%d":1' % number for number in range(600_000)) + b"}}",
]


def called(front: Front, path: str, *lines: bytes, body: bytes = b"", method: str = "POST") -> Heard:
    head = f"{method} {path} HTTP/1.1\r\nHost: a\r\n".encode() + front.lines
    return say(front.port, head + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body, within_s=20)


class Bill:
    """What the gateway spends inside the block."""

    def __init__(self, front: Front) -> None:
        self._pid = front.pid

    def __enter__(self) -> Bill:
        self._memory, self._cpu, self._begun = resident_bytes(self._pid), cpu_s(self._pid), time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.memory = resident_bytes(self._pid) - self._memory
        self.cpu_s = cpu_s(self._pid) - self._cpu


def test_a_hundred_thousand_parts_are_bytes_like_others(front: Front, recorder: Recorder) -> None:
    lines = (b"Content-Type: multipart/form-data; boundary=b", b"Content-Length: %d" % len(PARTS))
    with Bill(front) as bill:
        heard = called(front, "/up/parts", *lines, body=PARTS)
    assert heard.statuses == [200]
    assert recorder.seen("/parts")[-1].body == PARTS
    assert bill.memory < 24 * MIB
    assert bill.cpu_s < 1


@pytest.mark.parametrize("path", ["/v1/tasks/x/runs", "/gateway/register", "/v1/keys"])
def test_a_hundred_thousand_parts_at_our_own_door(front: Front, path: str) -> None:
    lines = (b"Content-Type: multipart/form-data; boundary=b", b"Content-Length: %d" % len(PARTS))
    with Bill(front) as bill:
        heard = called(front, path, *lines, body=PARTS)
    assert 400 <= heard.statuses[0] < 500
    assert bill.memory < 64 * MIB
    assert bill.cpu_s < 1


def test_chunks_of_one_byte(front: Front, recorder: Recorder) -> None:
    """200,000 of them arrive whole, for less than a hundred times the time of sending."""
    body = b"1\r\nx\r\n" * 200_000 + b"0\r\n\r\n"
    with Bill(front) as bill:
        heard = called(front, "/up/tiny", b"Transfer-Encoding: chunked", body=body)
    assert heard.statuses[0] in (200, 400, 413)
    assert heard.statuses[0] != 200 or recorder.seen("/tiny")[-1].body == b"x" * 200_000
    assert bill.memory < 64 * MIB
    assert bill.cpu_s < 5


@pytest.mark.parametrize("path", ["/up/trailers", "/v1/tasks/x/runs"])
def test_endless_trailers_end(front: Front, path: str) -> None:
    body = b"1\r\nx\r\n0\r\n" + b"X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 200_000
    with Bill(front) as bill:
        heard = called(front, path, b"Transfer-Encoding: chunked", body=body)
    assert heard.is_closed
    assert not heard.statuses or heard.statuses[0] in (400, 404, 413, 431)
    assert bill.memory < 32 * MIB


def test_a_chunk_extension_without_an_end(front: Front) -> None:
    with Bill(front) as bill:
        heard = called(front, "/up/extension", b"Transfer-Encoding: chunked", body=b"1;" + b"a" * 20 * MIB)
    assert heard.is_closed
    assert bill.memory < 32 * MIB


@pytest.mark.parametrize("count", [1_000, 100_000, 1_000_000])
def test_many_headers(front: Front, recorder: Recorder, count: int) -> None:
    before = len(recorder.requests)
    with Bill(front) as bill:
        heard = called(front, "/up/headers", *(b"X: 1" for _ in range(count)), method="GET")
    assert heard.is_closed
    assert not heard.statuses or heard.statuses == [431]
    assert count > 1_000 or heard.statuses == [431]
    assert len(recorder.requests) == before
    assert bill.memory < 32 * MIB


@pytest.mark.parametrize("size", [100_000, 50 * MIB])
@pytest.mark.parametrize("place", ["target", "name", "value", "method"])
def test_a_large_head(front: Front, recorder: Recorder, place: str, size: int) -> None:
    before, filling = len(recorder.requests), b"a" * size
    sent = {
        "target": b"GET /up/" + filling + b" HTTP/1.1\r\n",
        "name": b"GET /up/x HTTP/1.1\r\n" + filling + b": 1\r\n",
        "value": b"GET /up/x HTTP/1.1\r\nX-A: " + filling + b"\r\n",
        "method": filling + b" /up/x HTTP/1.1\r\n",
    }[place]
    with Bill(front) as bill:
        heard = say(front.port, sent + b"Host: a\r\n" + front.lines + b"\r\n", within_s=10)
    assert heard.is_closed
    assert not heard.statuses or heard.statuses[0] in (400, 405, 414, 431)
    assert len(recorder.requests) == before
    assert bill.memory < 32 * MIB


def test_a_hundred_thousand_ranges(front: Front, recorder: Recorder) -> None:
    """Too long for a head: refused. What fits is the upstream's to judge, and passes as one line."""
    ranges = b"Range: bytes=" + b",".join(b"%d-%d" % (number, number) for number in range(100_000))
    assert called(front, "/up/ranges", ranges, method="GET").statuses == [431]
    fits = b"Range: bytes=" + b",".join(b"%d-%d" % (number, number) for number in range(1_000))
    assert called(front, "/up/ranges", fits, method="GET").statuses == [200]
    assert recorder.seen("/ranges")[-1].all("range") == [fits.partition(b": ")[2].decode()]


@pytest.mark.parametrize("body", EXPENSIVE, ids=["deep list", "deep object", "a million keys"])
def test_json_made_to_be_expensive(front: Front, body: bytes) -> None:
    lines = (b"Content-Type: application/json", b"Content-Length: %d" % len(body))
    for path in ("/v1/tasks/x/runs", "/gateway/register", "/v1/keys"):
        with Bill(front) as bill:
            heard = called(front, path, *lines, body=body)
        assert 400 <= heard.statuses[0] < 500
        assert bill.memory < max(64 * MIB, 6 * len(body))


def test_a_body_above_the_limit_is_refused_before_it_came(front: Front, recorder: Recorder) -> None:
    before = len(recorder.requests)
    heard = called(front, "/up/large", b"Content-Length: 1073741824", body=b"x" * 65536)
    assert heard.statuses == [413]
    assert heard.is_closed
    assert len(recorder.requests) == before
