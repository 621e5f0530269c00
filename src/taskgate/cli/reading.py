"""Pages and streams of lines from a gateway, for commands that read what has no verb in the SDK.

A stream is written to its file line by line; what a file has is told by its last whole line, so the same command goes
on where a cut, a crash or Ctrl-C has stopped it. A file that holds something else is left as it is, and an answer that
no gateway gives (a proxy's page, a redirect) is an error and never an empty export.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import urllib3

from taskgate.cli.screen import Screen
from taskgate.client import Door
from taskgate.client.problems import error_of
from taskgate.client.steps import Answer
from taskgate.errors import Conflict, RemoteLinkError, Unavailable

TIMEOUT = urllib3.Timeout(connect=5.0, read=60.0)
TRIES = 5
PAUSE_S = 1.0
TAIL_BYTES = 64 << 20  # more than the longest line


class Reading:
    """A gateway that is read from."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._pool = urllib3.PoolManager(retries=False, timeout=TIMEOUT)

    def page(self, path: str, query: Mapping[str, Any]) -> Any:
        """One JSON object; our own error where the gateway refused, or where it is none that answers."""
        with self._asked(path, query) as answer:
            try:
                return msgspec.json.decode(answer.read(), type=dict[str, Any])
            except urllib3.exceptions.HTTPError as error:
                raise Unavailable(f"the connection to {self._door.url} broke", code="UNREACHABLE") from error
            except msgspec.MsgspecError as error:
                raise _foreign(str(error)) from error

    def lines(self, path: str, query: Mapping[str, Any]) -> Iterator[bytes]:
        """Whole lines with their ends, as they come; Unavailable when the stream was cut."""
        rest = b""
        with self._asked(path, query) as answer:
            try:
                for piece in answer.stream(64 << 10):
                    *whole, rest = (rest + piece).split(b"\n")
                    yield from (line + b"\n" for line in whole)
            except urllib3.exceptions.HTTPError as error:
                raise Unavailable("the stream was cut", code="STREAM_CUT") from error
        if rest:
            raise _foreign("it ends within a line")

    def pieces(self, path: str, query: Mapping[str, Any], *, first: int) -> Iterator[bytes]:
        """The bytes from `first` on, as they come and as far as they are there; Unavailable when the stream was cut."""
        with self._asked(path, query, {"Range": f"bytes={first}-"}) as answer:
            try:
                yield from answer.stream(256 << 10)
            except urllib3.exceptions.HTTPError as error:
                raise Unavailable("the stream was cut", code="STREAM_CUT") from error

    @contextlib.contextmanager
    def _asked(
        self, path: str, query: Mapping[str, Any], more: Mapping[str, str] | None = None
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        wanted = urlencode({name: value for name, value in query.items() if value not in ("", None)})
        headers = dict(more or {})
        if self._door.api_key:
            headers["X-API-Key"] = str(self._door.api_key)
        url = f"{self._door.url}{path}{'?' + wanted if wanted else ''}"
        try:
            answer = self._pool.request("GET", url, headers=headers, preload_content=False)
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"{self._door.url} is not to be reached", code="UNREACHABLE") from error
        try:
            if answer.status >= 400:
                told = {name.lower(): value for name, value in answer.headers.items()}
                raise error_of(Answer(status=answer.status, headers=told, body=answer.read()), time.time())
            if answer.status not in (200, 206):
                raise _foreign(f"answered with {answer.status}")
            yield answer
        finally:
            answer.close()


def _foreign(why: str) -> RemoteLinkError:
    return RemoteLinkError(f"the gateway's answer is not what was asked for: {why}")


def download(
    file: Path, lines: Callable[[str], Iterator[bytes]], *, place_of: Callable[[bytes], str], screen: Screen
) -> int:
    """Append to the file what `lines(place)` gives behind the place of its last line; returns how many lines came.

    A stream that is cut is asked for again behind the last line, as long as that brings something.
    """
    count = idle = 0
    with bar(file.name, screen) as told, opened(file) as out:
        place = _last_place(out, place_of, name=str(file))
        while True:
            before = count
            try:
                for line in lines(place):
                    place = _place_in(line, place_of)
                    out.write(line)
                    count += 1
                    told(count)
                break
            except Unavailable:
                out.flush()
                idle = 0 if count > before else idle + 1
                if idle >= TRIES:
                    raise
                time.sleep(PAUSE_S)
    return count


@contextlib.contextmanager
def opened(file: Path) -> Iterator[Any]:
    """The file, made where it is not there, to read and to append; on disk when it is closed."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b") as out:
        try:
            yield out
        finally:
            out.flush()
            os.fsync(out.fileno())


def _place_in(line: bytes, place_of: Callable[[bytes], str]) -> str:
    try:
        return place_of(line)
    except (msgspec.MsgspecError, LookupError, TypeError) as error:
        raise _foreign("a line of it is none of an export") from error


def _last_place(out: Any, place_of: Callable[[bytes], str], *, name: str) -> str:
    """The place of the last whole line, "" in an empty file; half a line behind it is cut off. Conflict for a file that
    holds something else, which is not touched."""
    size = out.seek(0, os.SEEK_END)
    start = max(0, size - TAIL_BYTES)
    out.seek(start)
    tail = out.read()
    end = tail.rfind(b"\n") + 1
    try:
        place = _place_in(tail[tail.rfind(b"\n", 0, end - 1) + 1 : end], place_of) if end else ""
    except RemoteLinkError:
        place = ""
    if tail and not place and (end or not _is_half(tail)):
        raise Conflict(f"{name} holds something else: name another file", code="NOT_AN_EXPORT")
    out.truncate(start + end)
    out.seek(start + end)
    return place


def _is_half(text: bytes) -> bool:
    """Whether it is a JSON object of which the end is not there."""
    try:
        msgspec.json.decode(text)
    except msgspec.MsgspecError as error:
        return text[:1] == b"{" and "truncated" in str(error)
    return False


@contextlib.contextmanager
def bar(name: str, screen: Screen, *, unit: str = "lines") -> Iterator[Callable[[int], None]]:
    """A moving bar on a terminal, with the count of lines."""
    if screen.as_json or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.completed:.0f} " + unit))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True, markup=False), transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda count: bar.update(task, completed=count)
