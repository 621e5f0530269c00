"""Bytes on a socket as somebody hostile writes them, and what came back, read by the letter.

Blocking, so that a fixture may ask many at once from threads. Answers are parsed here and not by a library: a library
would hide what a server really sent.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

QUIET_S = 0.08
PIECE_PAUSE_S = 0.001


@dataclass(slots=True, kw_only=True)
class Answer:
    """One response. Names are lower case; `is_whole` False when the connection ended inside it."""

    status: int
    reason: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    is_whole: bool = True

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def get(self, name: str) -> str:
        found = self.all(name)
        return found[0] if found else ""


@dataclass(slots=True, kw_only=True)
class Heard:
    """Everything that came back: final answers, 1xx before them, whether the server closed."""

    answers: list[Answer] = field(default_factory=list)
    interim: list[Answer] = field(default_factory=list)
    is_closed: bool = False
    raw: bytes = b""

    @property
    def statuses(self) -> list[int]:
        return [answer.status for answer in self.answers]


def say(
    port: int,
    sent: bytes,
    *,
    piece: int = 0,
    within_s: float = 8.0,
    methods: Sequence[str] = (),
    quiet_s: float = QUIET_S,
) -> Heard:
    """Send all of it (in pieces of so many bytes), read until the server closes, is quiet behind an answer, or the
    time is up. `methods` are those of the requests, so that an answer to HEAD is read without a body."""
    deadline = time.monotonic() + within_s
    with socket.create_connection(("127.0.0.1", port), timeout=within_s) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            _send(link, sent, piece)
        return _listen(link, deadline=deadline, methods=methods, quiet_s=quiet_s)


def _send(link: socket.socket, sent: bytes, piece: int) -> None:
    if not piece:
        link.sendall(sent)
        return
    for start in range(0, len(sent), piece):
        link.sendall(sent[start : start + piece])
        time.sleep(PIECE_PAUSE_S)


def _listen(link: socket.socket, *, deadline: float, methods: Sequence[str], quiet_s: float) -> Heard:
    raw, is_closed = b"", False
    while (left := deadline - time.monotonic()) > 0:
        answers, _, rest = parse(raw, methods=methods, is_closed=False)
        is_settled = bool(answers) and not rest
        link.settimeout(min(left, quiet_s) if is_settled else left)
        try:
            chunk = link.recv(1 << 16)
        except TimeoutError:
            break
        except ConnectionResetError:
            chunk = b""
        if not chunk:
            is_closed = True
            break
        raw += chunk
    answers, interim, _ = parse(raw, methods=methods, is_closed=is_closed)
    return Heard(answers=answers, interim=interim, is_closed=is_closed, raw=raw)


def parse(raw: bytes, *, methods: Sequence[str] = (), is_closed: bool) -> tuple[list[Answer], list[Answer], bytes]:
    """Final answers, 1xx, and the bytes of an answer that is not whole yet."""
    answers: list[Answer] = []
    interim: list[Answer] = []
    while raw:
        head, end, rest = raw.partition(b"\r\n\r\n")
        if not end:
            break
        answer = _head(head)
        if 100 <= answer.status < 200 and answer.status != 101:
            interim.append(answer)
            raw = rest
            continue
        is_bodiless = methods[len(answers) : len(answers) + 1] == ("HEAD",) or list(
            methods[len(answers) : len(answers) + 1]
        ) == ["HEAD"]
        left = _body(answer, rest, is_bodiless=is_bodiless, is_closed=is_closed)
        if left is None:
            break
        answers.append(answer)
        raw = left
    return answers, interim, raw


def _head(head: bytes) -> Answer:
    lines = head.decode("latin-1").split("\r\n")
    found = re.fullmatch(r"HTTP/1\.[01] (\d{3}) ?(.*)", lines[0])
    assert found is not None, f"no status line: {lines[0]!r}"
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        assert colon, f"a header without a colon: {line!r}"
        headers.append((name.lower(), value.strip(" \t")))
    return Answer(status=int(found[1]), reason=found[2], headers=headers)


def _body(answer: Answer, rest: bytes, *, is_bodiless: bool, is_closed: bool) -> bytes | None:
    """Take the body off; what follows it, or None while it is not whole."""
    if is_bodiless or answer.status in (101, 204, 304):
        return rest
    if answer.get("transfer-encoding").lower() == "chunked":
        return _chunked(answer, rest, is_closed=is_closed)
    length = answer.get("content-length")
    if length:
        size = int(length)
        if len(rest) < size and not is_closed:
            return None
        answer.body, answer.is_whole = rest[:size], len(rest) >= size
        return rest[size:]
    if not is_closed:
        return None
    answer.body = rest
    return b""


def _chunked(answer: Answer, rest: bytes, *, is_closed: bool) -> bytes | None:
    body = b""
    while True:
        line, end, after = rest.partition(b"\r\n")
        size = int(line.partition(b";")[0], 16) if end and line else -1
        if size > 0 and len(after) >= size + 2:
            assert after[size : size + 2] == b"\r\n", "a chunk without its end"
            body += after[:size]
            rest = after[size + 2 :]
            continue
        if size == 0:
            trailers, found, behind = (b"\r\n" + after).partition(b"\r\n\r\n")
            if found:
                answer.headers += [
                    ("trailer: " + line.decode("latin-1"), "") for line in trailers.split(b"\r\n") if line
                ]
                answer.body = body
                return behind
        if not is_closed:
            return None
        answer.body, answer.is_whole = body, False
        return b""
