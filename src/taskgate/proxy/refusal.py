"""Answers that the data plane gives by itself: problem documents, ready to be written.

The same document as the application's, with the same protective headers. A refused request ends its connection: what
comes behind it can no longer be told apart from it. A refusal never repeats what the caller sent, its path excepted.
"""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import Final

from taskgate.errors import TaskgateError
from taskgate.problems import PROBLEM_JSON, encode_problem
from taskgate.proxy.ports import Front, Head
from taskgate.proxy.turn import NEVER
from taskgate.trace import request_id_of, trace_id_of, traceparent_of

GUARDS: Final = (
    b"x-content-type-options: nosniff\r\n"
    b"cache-control: no-store\r\n"
    b"content-security-policy: default-src 'none'; frame-ancestors 'none'\r\n"
    b"referrer-policy: no-referrer\r\n"
)
CLOSE: Final = b"connection: close\r\n"
KEPT: Final = b"connection: keep-alive\r\n"  # said to HTTP/1.0, where it is not understood by itself


@lru_cache(maxsize=600)
def status_line(status: int) -> bytes:
    """The first line of an answer; an unknown status has no phrase."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return b"HTTP/1.1 %d %s\r\n" % (status, phrase.encode("ascii"))


def write_problem(
    error: TaskgateError,
    *,
    instance: str = "",
    traceparent: str = "",
    request_id: bytes = b"",
    lines: bytes = b"",
    keep_alive: bool = False,
    is_head: bool = False,
) -> bytes:
    """The whole answer that tells an error. `lines` are further headers, each ready with its CRLF."""
    traceparent = traceparent or traceparent_of(None)
    status, body, headers = encode_problem(error, instance=instance, trace_id=trace_id_of(traceparent))
    told = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    head = b"".join(
        (
            status_line(status),
            b"content-type: ", PROBLEM_JSON, b"\r\ncontent-length: %d\r\n" % len(body), GUARDS, told, lines,
            b"x-request-id: ", request_id or request_id_of(None, traceparent), b"\r\n",
            b"" if keep_alive else CLOSE,
        )
    )  # fmt: skip
    return b"%b\r\n%b" % (in_order(head), b"" if is_head else body)


def in_order(head: bytes) -> bytes:
    """The head of an error of ours (without the empty line) with its headers in the order of their names: whoever of
    us refuses, the data plane or the application, here or in another process, it looks the same to a stranger."""
    first, *lines = head.splitlines(keepends=True)
    return b"".join((first, *sorted(lines)))


def ending(head: Head, *, keep_alive: bool) -> bytes:
    """What the answer to this request says of its connection."""
    if not keep_alive:
        return CLOSE
    return KEPT if head.version == "1.0" else b""


class Refusal:
    """The item of a request that was refused before anybody was asked for it. It waits for its place in the order."""

    __slots__ = ("_error", "_front", "_instance", "_is_head", "deadline")

    def __init__(self, front: Front, error: TaskgateError, *, instance: str = "", is_head: bool = False) -> None:
        self._front = front
        self._error = error
        self._instance = instance
        self._is_head = is_head
        self.deadline = NEVER

    def start(self) -> None:
        """Say it, and end the connection."""
        self._front.write(write_problem(self._error, instance=self._instance, is_head=self._is_head))
        self._front.finished(keep_alive=False)

    def body(self, data: bytes) -> None:
        """Nobody reads it."""

    def body_end(self) -> None:
        """Nobody waits for it."""

    def broken(self, error: TaskgateError) -> None:
        """It is refused already."""

    def lost(self) -> None:
        """There is nothing to end."""

    def pace(self, *, is_open: bool) -> None:
        """One small piece is all there is."""

    def on_deadline(self, now: float) -> None:
        """There is none."""
