"""Does one run: input, function, output, whatever may go wrong in between.

Async tasks of one process share one event loop, which lives as long as the process and runs only while such
a task does; so a client that a task keeps between runs stays usable. Nothing that a task raises gets out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any

import msgspec

from taskgate.errors import (
    CallerError,
    Conflict,
    Forbidden,
    InvalidInput,
    LeaseLost,
    Limited,
    Malformed,
    NotFound,
    TaskgateError,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from taskgate.worker import answers
from taskgate.worker.answers import Answer
from taskgate.worker.context import Context
from taskgate.worker.declaration import TaskSpec
from taskgate.worker.frames import Go, Piece, Taken
from taskgate.worker.latch import Latch, Mode
from taskgate.worker.loading import TaskShelf
from taskgate.worker.mailbox import Mailbox
from taskgate.worker.schema import pointer_of
from taskgate.worker.voice import Voice

_serials = count(1)
_BY_STATUS: dict[int, type[TaskgateError]] = {
    400: Malformed, 401: Unauthenticated, 403: Forbidden, 404: NotFound, 409: Conflict, 413: TooLarge,
    422: InvalidInput, 429: Limited,
}  # fmt: skip


class Performer:
    """Turns a run into an answer."""

    def __init__(self, mailbox: Mailbox, voice: Voice, latch: Latch) -> None:
        self.shelf = TaskShelf()
        self.failure = ""  # why nothing could be loaded
        self._mailbox = mailbox
        self._voice = voice
        self._latch = latch
        self._loop: asyncio.AbstractEventLoop | None = None

    def perform(self, go: Go) -> Answer:
        """The run's answer; never raises."""
        spec = self.shelf.find(go.task, go.version)
        if spec is None:
            return answers.refusal("TASK_NOT_LOADED", self.failure or f"this worker has no task {go.task!r}")
        latch = self._latch
        try:
            arguments = spec.shape.bind(go.payload)
        except msgspec.ValidationError as error:
            return answers.refusal("INVALID_INPUT", f"the input does not fit: {error}", path=pointer_of(error))
        except (msgspec.DecodeError, RecursionError) as error:
            return answers.refusal("INVALID_INPUT", f"the input is not JSON: {error}", path="")
        if spec.shape.context_name:
            arguments[spec.shape.context_name] = self._context(go)
        try:
            latch.mode = Mode.TASK
            try:
                value = self._await(spec, arguments) if spec.is_async else spec.function(**arguments)
            finally:
                latch.mode = Mode.BUSY
            return answers.output(value, go.max_output_bytes)
        except asyncio.CancelledError as error:
            latch.mode = Mode.BUSY
            is_ours = self._mailbox.is_cancelled or latch.stop_wanted
            code, kind = ("CANCELLED", "cancelled") if is_ours else ("TASK_FAILED", "task")
            return msgspec.structs.replace(answers.failure(error), code=code, error_class=kind)
        except BaseException as error:  # SystemExit and whatever else a task raises ends its run, not the process
            latch.mode = Mode.BUSY
            return answers.failure(error)

    def _context(self, go: Go) -> Context:
        return Context(
            run_id=go.run_id,
            attempt=go.attempt,
            task=go.task,
            tenant=go.tenant,
            labels=go.labels,
            traceparent=go.traceparent,
            timeout_s=go.timeout_s,
            listener=RunListener(go.number, self._voice, self._mailbox),
        )

    def _await(self, spec: TaskSpec, arguments: dict[str, Any]) -> Any:
        loop = self._loop or self._open_loop()
        coroutine: Coroutine[Any, Any, Any] = spec.function(**arguments)
        task = loop.create_task(coroutine)
        self._mailbox.on_cancel = task.cancel
        self._latch.interrupt = lambda: _cancel_from_signal(loop, task.cancel)
        if self._mailbox.is_cancelled:
            task.cancel()
        try:
            return loop.run_until_complete(task)
        finally:
            self._mailbox.on_cancel = self._latch.interrupt = None

    def _open_loop(self) -> asyncio.AbstractEventLoop:
        self._loop = loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.add_reader(self._mailbox.fileno(), self._mailbox.collect)
        return loop


class RunListener:
    """What the context of one run speaks to; mute once the run is over."""

    __slots__ = ("_mailbox", "_number", "_voice")

    def __init__(self, number: int, voice: Voice, mailbox: Mailbox) -> None:
        self._number = number
        self._voice = voice
        self._mailbox = mailbox

    def log(self, text: str, level: str) -> None:
        if self._mailbox.current == self._number:
            self._voice.log(text, level)

    def progress(self, fraction: float, text: str) -> None:
        if self._mailbox.current == self._number:
            self._voice.progress(fraction, text)

    def hand(self, name: str, offset: int, *, content: bytes, sha256: str) -> int:
        """Give a piece of a log on; see `handing.Hand`. CallerError, LeaseLost or Unavailable: it was not taken."""
        if self._mailbox.current != self._number:
            raise LeaseLost("the run is over")
        serial = next(_serials)
        self._voice.send(Piece(self._number, serial, name, offset, content, sha256))
        taken = self._mailbox.answer_of(serial, self._number)
        if taken is None:
            raise LeaseLost("the run is over")
        if taken.status in (200, 202):
            return taken.offset
        raise _refusal(taken)

    def is_cancelled(self) -> bool:
        return self._mailbox.current != self._number or self._mailbox.look()


def _refusal(taken: Taken) -> TaskgateError:
    """What a task is told of a piece that was not taken, by its status; by its code where the run is lost."""
    if taken.code == "STALE_ATTEMPT":
        return LeaseLost(taken.detail)
    kind = _BY_STATUS.get(taken.status, CallerError if taken.status < 500 else Unavailable)
    return kind(taken.detail or f"the gateway answered {taken.status}", code=taken.code or kind.default_code)


def _cancel_from_signal(loop: asyncio.AbstractEventLoop, cancel: Callable[[], object]) -> None:
    loop.call_soon_threadsafe(cancel)
