"""Reading what a call brings: its messages as bytes within bounds, and the worker that it names.

A worker id in a body or in metadata is a claim; whether the credential may make it is judged elsewhere.
"""

from __future__ import annotations

from math import isnan

from taskgate.edge.grpc.admission import NO_MESSAGE, Context
from taskgate.errors import Forbidden, InvalidInput, RemoteLinkError
from taskgate.ids import is_worker_id


async def next_frame(context: Context, limit_bytes: int) -> bytes | None:
    """The next message as bytes; None at the end of the stream."""
    frame = await context.read()
    if not isinstance(frame, bytes):
        return None
    if len(frame) > limit_bytes:
        raise RemoteLinkError(f"a message of more than {limit_bytes} bytes", code="FRAME_TOO_LARGE")
    return frame


async def only_frame(context: Context, limit_bytes: int) -> bytes:
    """The message of a unary call."""
    frame = await next_frame(context, limit_bytes)
    if frame is None:
        raise RemoteLinkError("the call ended without its message", code=NO_MESSAGE)
    return frame


def named_in(context: Context) -> str:
    """The worker id that the metadata names, empty when it names none; Forbidden when no worker can be called so."""
    for name, value in context.invocation_metadata() or ():
        if name == "x-worker-id":
            text = value if isinstance(value, str) else value.decode(errors="replace")
            if not is_worker_id(text):
                raise Forbidden("x-worker-id is no usable worker id", code="BAD_WORKER_ID")
            return text
    return ""


def worker_of(context: Context, said: str) -> str:
    """The worker id of a body; InvalidInput when it is none, or not the one that the metadata names."""
    if not is_worker_id(said) or named_in(context) not in ("", said):
        raise InvalidInput("worker_id is 1-128 characters of A-Za-z0-9_.:@-, the same everywhere in a call")
    return said


def wait_of(context: Context, *, wait_s: float | None, longest_s: float) -> float:
    """How long a call may wait: what it asks for, our bound, and a second before its own deadline. InvalidInput for
    what is no number, which no clock could ever reach."""
    if wait_s is not None and isnan(wait_s):
        raise InvalidInput("wait_s is a number of seconds")
    left_s: float | None = context.time_remaining()
    asked_s = longest_s if wait_s is None else wait_s
    return max(min(asked_s, longest_s, longest_s if left_s is None else left_s - 1.0), 0.0)
