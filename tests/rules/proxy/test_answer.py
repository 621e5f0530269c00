"""How answers of the application are framed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.proxy.answer import Framing, frame_answer


def framed(status: int = 200, *headers: tuple[bytes, bytes], **how: str | bool) -> tuple[bytes, Framing]:
    wanted = {"method": "GET", "version": "1.1", "keep_alive": True, **how}
    return frame_answer(status, headers, **wanted)  # type: ignore[arg-type]


def test_a_length_is_held_to() -> None:
    head, framing = framed(200, (b"Content-Length", b"3"), (b"X-A", b"1"))
    assert head == b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx-a: 1\r\n\r\n"
    assert framing.frame(b"ab", is_last=False) + framing.frame(b"c", is_last=True) == b"abc"
    for piece, is_last in ((b"abcd", False), (b"ab", True)):
        with pytest.raises(RuntimeError):
            framed(200, (b"content-length", b"3"))[1].frame(piece, is_last=is_last)


def test_without_a_length_chunks() -> None:
    head, framing = framed(200, (b"transfer-encoding", b"gzip"))
    assert head == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    assert framing.frame(b"x" * 17, is_last=False) == b"11\r\n" + b"x" * 17 + b"\r\n"
    assert framing.frame(b"", is_last=False) == b""
    assert framing.frame(b"y", is_last=True) == b"1\r\ny\r\n0\r\n\r\n"


def test_http_1_0() -> None:
    head, framing = framed(version="1.0")
    assert head == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"
    assert (framing.frame(b"abc", is_last=True), framing.keep_alive) == (b"abc", False)
    head, framing = framed(200, (b"content-length", b"0"), version="1.0")
    assert b"connection: keep-alive\r\n" in head
    assert framing.keep_alive


@pytest.mark.parametrize(
    ("status", "method", "lines"),
    [
        (204, "GET", b""),
        (304, "GET", b"content-length: 5\r\n"),
        (200, "HEAD", b"content-length: 5\r\n"),
    ],
)
def test_answers_without_a_body(status: int, method: str, lines: bytes) -> None:
    head, framing = framed(status, (b"content-length", b"5"), method=method)
    assert head.partition(b"\r\n")[2] == lines + b"\r\n"
    assert framing.frame(b"hello", is_last=True) == b""
    assert b"transfer-encoding" not in framed(status, method=method)[0]
    assert framing.keep_alive


def test_close() -> None:
    head, framing = framed(200, (b"content-length", b"0"), (b"Connection", b"Close"))
    assert head.endswith(b"connection: close\r\n\r\n")
    assert not framing.keep_alive
    assert framed(200, keep_alive=False)[0].count(b"connection: close") == 1


@given(st.binary(max_size=12), st.binary(max_size=12))
def test_no_header_can_smuggle_a_line(name: bytes, value: bytes) -> None:
    """S17."""
    try:
        head, _ = framed(200, (name, value), (b"content-length", b"0"))
    except (RuntimeError, ValueError):
        return
    assert head.count(b"\n") == head.count(b"\r\n") <= 4
    assert b"\x00" not in head
