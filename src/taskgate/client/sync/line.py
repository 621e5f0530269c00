"""Performs a plan's steps with urllib3. Connections are kept and shared by threads; nothing is decided here.

Redirects are never followed: the credential goes to the one URL that was named. An interrupt (Ctrl-C) leaves
through here like any error, and closes the stream it came in.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Generic, Self, TypeVar

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, MaxRetryError, NewConnectionError, SSLError
from urllib3.exceptions import TimeoutError as TooSlow

from taskgate import __version__
from taskgate.client.door import Door
from taskgate.client.retries import Patience
from taskgate.client.steps import Answer, Emit, Lost, Open, Pause, Plan, Read, Request, Send, Step

T = TypeVar("T")
PIECE_BYTES = 1 << 16
OK = 200


class Line:
    """The connections to one gateway."""

    def __init__(self, door: Door, patience: Patience) -> None:
        self.door = door
        self.patience = patience
        self._pool = urllib3.PoolManager(num_pools=2, maxsize=16, retries=False)

    def finish(self, plan: Plan[T]) -> T:
        """Perform the plan to its end; items it emits are dropped."""
        running = Running(self, plan)
        try:
            while running.advance() is not None:
                pass
            return running.result
        finally:
            running.close()

    def items(self, plan: Plan[Any]) -> Iterator[Any]:
        """What the plan emits, as it comes."""
        running = Running(self, plan)
        try:
            while (step := running.advance()) is not None:
                yield step.item
        finally:
            running.close()

    def request(self, request: Request, *, is_stream: bool) -> urllib3.BaseHTTPResponse | Lost:
        """One request; a stream's body is not read yet."""
        headers = {"Accept": "application/json", "User-Agent": f"taskgate-python/{__version__}", **request.headers}
        if self.door.api_key:
            headers["X-API-Key"] = str(self.door.api_key)
        answer_s = self.patience.answer_s if request.answer_s is None else request.answer_s
        try:
            return self._pool.urlopen(
                request.method,
                self.door.url + request.path,
                body=request.body or None,
                headers=headers,
                timeout=urllib3.Timeout(connect=self.patience.connect_s, read=answer_s),
                retries=False,
                redirect=False,
                preload_content=not is_stream,
            )
        except HTTPError as error:
            return lost(error, self.door.url)

    def close(self) -> None:
        """Give the connections back."""
        self._pool.clear()


class Caller:
    """Owns a line: as a context manager it closes it."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._line.door.url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the kept connections; the next verb opens new ones."""
        self._line.close()


class Running(Generic[T]):
    """A plan on its way, with the stream it may have open."""

    result: T

    def __init__(self, line: Line, plan: Plan[T]) -> None:
        self._line = line
        self._plan = plan
        self._reply: Any = None
        self._stream: urllib3.BaseHTTPResponse | None = None

    def advance(self) -> Emit | None:
        """Perform steps up to the next item; None at the end of the plan."""
        while True:
            try:
                step = self._plan.send(self._reply)
            except StopIteration as end:
                self.result = end.value
                return None
            self._reply = None
            if isinstance(step, Emit):
                return step
            self._reply = self._perform(step)

    def close(self) -> None:
        """Leave the plan where it is and close its stream."""
        self._plan.close()
        self._close_stream()

    def _perform(self, step: Step) -> Answer | Lost | bytes | None:
        match step:
            case Send(request):
                reply = self._line.request(request, is_stream=False)
                return reply if isinstance(reply, Lost) else answer(reply, reply.data)
            case Open(request):
                return self._open(request)
            case Read():
                return self._read()
            case Pause(seconds):
                self._close_stream()
                time.sleep(seconds)
        return None

    def _open(self, request: Request) -> Answer | Lost:
        self._close_stream()
        reply = self._line.request(request, is_stream=True)
        if isinstance(reply, Lost):
            return reply
        self._stream = reply
        if reply.status == OK:
            return answer(reply, b"")
        body = self._read()
        return body if isinstance(body, Lost) else answer(reply, body)

    def _read(self) -> bytes | Lost:
        if self._stream is None:
            return Lost(reason="no stream is open")
        try:
            return self._stream.read1(PIECE_BYTES)
        except HTTPError as error:
            return lost(error, self._line.door.url)

    def _close_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def answer(reply: urllib3.BaseHTTPResponse, body: bytes) -> Answer:
    """The library's response as a value."""
    return Answer(status=reply.status, headers={name.lower(): text for name, text in reply.headers.items()}, body=body)


def lost(error: HTTPError, url: str) -> Lost:
    """Why an exchange failed, without a word of what was in it."""
    if isinstance(error, MaxRetryError) and isinstance(error.reason, HTTPError):
        error = error.reason
    if isinstance(error, SSLError):
        return Lost(reason=f"no trusted connection to {url}: {error}", is_sent=False, is_final=True)
    if isinstance(error, NewConnectionError | ConnectTimeoutError):
        cause = error.__cause__ or error.__context__
        why = getattr(cause, "strerror", None) or "no connection in time"
        return Lost(reason=f"cannot connect to {url}: {why}", is_sent=False)
    if isinstance(error, TooSlow):
        return Lost(reason=f"{url} did not answer in time")
    return Lost(reason=f"the connection to {url} broke")
