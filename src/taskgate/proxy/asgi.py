"""One request that the ASGI application answers: reading its body, framing its answer.

The application never frames: a length that it names is held to, without one the answer is chunked (or ends with the
connection, towards HTTP/1.0). The head waits for the first piece of the body, so that a short answer is one write.
An answer that cannot be completed is cut, never rounded off; a failure before the head is a 500.
Once the caller is gone `send` does nothing and `receive` says so.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from taskgate.errors import TaskgateError
from taskgate.proxy.answer import Framing, frame_answer
from taskgate.proxy.doorway import Doorway
from taskgate.proxy.ports import Front, Head
from taskgate.proxy.refusal import in_order, write_problem
from taskgate.proxy.turn import NEVER

_log = logging.getLogger(__name__)
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
BODY_HELD: Final = 1
BODY_LIMIT: Final = 64 << 10

Message = dict[str, Any]


class Cycle:
    """The item of a request for the application."""

    __slots__ = (
        "_doorway", "_expects_continue", "_framing", "_front", "_head", "_is_choked", "_is_done", "_is_gone",
        "_is_told", "_is_whole", "_news", "_opening", "_pieces", "_size", "deadline",
    )  # fmt: skip

    def __init__(self, front: Front, head: Head, *, doorway: Doorway) -> None:
        self._front = front
        self._head = head
        self._doorway = doorway
        self._expects_continue = head.expects_continue
        self._pieces: list[bytes] = []
        self._size = 0
        self._is_whole = False  # the body has come
        self._is_told = False  # and the application has it
        self._is_gone = False
        self._is_done = False
        self._is_choked = False
        self._framing: Framing | None = None
        self._opening = b""
        self._news: asyncio.Event | None = None
        self.deadline = NEVER

    # ---------------------------------------------------------------- what the connection says

    def start(self) -> None:
        """Call the application."""
        tasks = self._doorway.server_state.tasks
        task = asyncio.get_running_loop().create_task(self._run())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def body(self, data: bytes) -> None:
        """Keep a piece until the application asks for it; stop reading when much is kept."""
        self._expects_continue = False
        if self._is_done or self._is_gone:
            return
        self._pieces.append(data)
        self._size += len(data)
        if self._size > BODY_LIMIT:
            self._front.hold(BODY_HELD)
        self._wake()

    def body_end(self) -> None:
        """The body is whole."""
        self._is_whole = True
        self._wake()

    def broken(self, error: TaskgateError) -> None:
        """Tell the caller if nothing was told yet, and the application that nobody listens any more."""
        if self._is_done or self._is_gone:
            return
        self._is_gone = True
        self._wake()
        if self._framing is None or self._opening:
            self._front.write(write_problem(error, instance=self._head.path, is_head=self._head.method == "HEAD"))
            self._front.finished(keep_alive=False)
        else:
            self._front.abort()

    def lost(self) -> None:
        """The caller is gone."""
        self._is_gone = True
        self._wake()

    def pace(self, *, is_open: bool) -> None:
        """`send` waits while the caller reads too slowly."""
        self._is_choked = not is_open
        self._wake()

    def on_deadline(self, now: float) -> None:
        """There is none: the application has its own."""

    # ---------------------------------------------------------------- what the application says

    async def _run(self) -> None:
        try:
            await self._doorway.app(self._scope(), self._receive, self._send)
        except asyncio.CancelledError:
            self._give_up(None)
            raise
        except Exception as error:
            _log.error(
                "the application failed at %s %s", self._head.method, ascii(self._head.path[:200]), exc_info=error
            )
            self._give_up(TaskgateError("something went wrong in the gateway"))
        else:
            if not (self._is_done or self._is_gone):
                _log.error("the application left %s %s unanswered", self._head.method, ascii(self._head.path[:200]))
                self._give_up(TaskgateError("the gateway did not answer"))

    def _give_up(self, error: TaskgateError | None) -> None:
        """No answer will come any more."""
        if self._is_done or self._is_gone:
            return
        self._is_done = True
        if error is None or not (self._framing is None or self._opening):
            self._front.abort()
            return
        self._front.write(write_problem(error, instance=self._head.path, is_head=self._head.method == "HEAD"))
        self._front.finished(keep_alive=False)

    async def _receive(self) -> Message:
        if self._expects_continue:
            self._expects_continue = False
            if not (self._is_gone or self._is_done or self._is_whole or self._framing is not None):
                self._front.write(CONTINUE)
        while not (self._is_gone or self._is_done):
            if not self._is_told and (self._pieces or self._is_whole):
                return self._next_piece()
            await self._wait()
        return {"type": "http.disconnect"}

    def _next_piece(self) -> Message:
        pieces = self._pieces
        piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._size = 0
        self._is_told = self._is_whole
        self._front.release(BODY_HELD)
        return {"type": "http.request", "body": piece, "more_body": not self._is_whole}

    async def _send(self, message: Message) -> None:
        while self._is_choked and not self._is_gone:
            await self._wait()
        if self._is_gone:
            return
        kind = message["type"]
        if self._framing is None:
            if kind != "http.response.start":
                raise RuntimeError(f"an answer begins with http.response.start, not with {kind}")
            self._open(message)
        elif kind == "http.response.body" and not self._is_done:
            self._write(message.get("body", b""), is_last=not message.get("more_body", False))
        else:
            raise RuntimeError(
                f"{kind} behind an answer that is complete" if self._is_done else f"{kind} within a body"
            )

    def _open(self, message: Message) -> None:
        head = self._head
        self._opening, self._framing = frame_answer(
            message["status"],
            message.get("headers", ()),
            method=head.method,
            version=head.version,
            keep_alive=head.keep_alive and not (self._front.is_stopping or self._expects_continue),
            defaults=self._doorway.default_lines(),
        )
        if message["status"] >= 400:
            self._opening = in_order(self._opening[:-2]) + b"\r\n"
        asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """The first piece of the body did not come at once: send the head alone."""
        if self._opening and not (self._is_gone or self._is_done):
            opening, self._opening = self._opening, b""
            self._front.write(opening)

    def _write(self, body: bytes, *, is_last: bool) -> None:
        framing = self._framing
        assert framing is not None
        framed = framing.frame(body, is_last=is_last)
        opening, self._opening = self._opening, b""
        if opening or framed:
            self._front.write(opening + framed if opening else framed)
        if is_last:
            self._is_done = True
            self._wake()
            self._front.finished(keep_alive=framing.keep_alive)

    def _wake(self) -> None:
        if self._news is not None:
            self._news.set()

    async def _wait(self) -> None:
        """Until something has changed."""
        news = self._news
        if news is None:
            news = self._news = asyncio.Event()
        news.clear()
        await news.wait()

    def _scope(self) -> Message:
        head, front, doorway = self._head, self._front, self._doorway
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": head.version,
            "server": doorway.address,
            "client": (head.caller, front.port),
            "scheme": head.scheme,
            "root_path": "",
            "method": head.method,
            "path": head.path,
            "raw_path": head.target.partition(b"?")[0],
            "query_string": head.query,
            "headers": head.pairs,
            "state": doorway.app_state.copy(),
        }
