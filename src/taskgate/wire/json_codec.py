"""Messages as JSON text frames: one object, or an array of them.

Payloads stay raw bytes in both directions, whatever they hold. A decoded raw payload is a view into its frame:
copy it (`bytes(raw)`) if it outlives the frame. Bad bytes raise RemoteLinkError that names the place, and
nothing else: the depth of what is parsed is bounded by the decoder, its size by `max_bytes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from taskgate.errors import RemoteLinkError
from taskgate.wire.frames import MAX_MESSAGES, split, too_many
from taskgate.wire.messages import GatewayMessage, Hello, Message, WorkerMessage

M = TypeVar("M")
_SPACE = b" \t\n\r"

_encode = msgspec.json.Encoder().encode
_worker_many = msgspec.json.Decoder(list[WorkerMessage])
_worker_one: msgspec.json.Decoder[WorkerMessage] = msgspec.json.Decoder(WorkerMessage)
_gateway_many = msgspec.json.Decoder(list[GatewayMessage])
_gateway_one: msgspec.json.Decoder[GatewayMessage] = msgspec.json.Decoder(GatewayMessage)


class _Untyped(msgspec.Struct):
    """What tells a frame of the demo clients from any other object without a type."""

    worker_id: str
    capabilities: list[str] = []
    metadata: dict[str, object] = {}
    type: msgspec.UnsetType | str = msgspec.UNSET


_untyped = msgspec.json.Decoder(_Untyped)


def decode_worker_frame(frame: bytes | str, *, max_bytes: int = 1 << 20) -> list[WorkerMessage]:
    """What a worker said. An object without `type` but with `worker_id` is the demo clients' hello."""
    raw = _checked(frame, max_bytes)
    try:
        return _decode(raw, _worker_many, _worker_one)
    except RemoteLinkError:
        hello = _demo_hello(raw)
        if hello is None:
            raise
        return [hello]


def decode_gateway_frame(frame: bytes | str, *, max_bytes: int = 4 << 20) -> list[GatewayMessage]:
    """What a gateway said."""
    return _decode(_checked(frame, max_bytes), _gateway_many, _gateway_one)


def encode_frames(messages: Sequence[Message], *, max_bytes: int = 1 << 20, single: bool = False) -> list[bytes]:
    """Frames of at most `max_bytes`, in order; `single` puts one object into each (simple clients).

    LocalLinkError with code FRAME_TOO_LARGE when one message alone is larger.
    """
    if single:
        return [frame for message in messages for frame in split((message,), _encode_one, max_bytes=max_bytes)]
    return split(messages, _encode, max_bytes=max_bytes)


def _encode_one(messages: Sequence[Message]) -> bytes:
    return _encode(messages[0])


def _checked(frame: bytes | str, max_bytes: int) -> bytes:
    """The frame as bytes of valid UTF-8 within the limit."""
    if len(frame) > max_bytes:
        raise RemoteLinkError(f"a frame of more than {max_bytes} bytes", code="FRAME_TOO_LARGE")
    try:
        if isinstance(frame, str):
            return frame.encode()
        if not frame.isascii():
            frame.decode()
    except UnicodeError as error:
        place = getattr(error, "start", 0)
        raise RemoteLinkError(f"not UTF-8 at byte {place}", code="MALFORMED") from None
    return frame


def _decode(raw: bytes, many: msgspec.json.Decoder[list[M]], one: msgspec.json.Decoder[M]) -> list[M]:
    try:
        if raw[:1] != b"[" and raw.lstrip(_SPACE)[:1] != b"[":
            return [one.decode(raw)]
        messages = many.decode(raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise RemoteLinkError(_place(error), code="MALFORMED") from None
    if len(messages) > MAX_MESSAGES:
        raise too_many(len(messages))
    return messages


def _place(error: Exception) -> str:
    """What is wrong and where, without a trace and without what was sent."""
    if isinstance(error, RecursionError):
        return "the frame is nested too deeply"
    return str(error)[:200]


def _demo_hello(raw: bytes) -> Hello | None:
    """The hello of the demo clients, whose first frame has no `type`."""
    try:
        found = _untyped.decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        return None
    if found.type is not msgspec.UNSET:
        return None
    return Hello(worker_id=found.worker_id, capabilities=found.capabilities, metadata=dict(found.metadata))
