"""How many messages share a frame, for any codec.

A frame is a message of the transport: one WebSocket text frame, one gRPC message. Everything that is outgoing
at one moment goes into one frame if it fits, else into as few as halving gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from taskgate.errors import LocalLinkError, RemoteLinkError

M = TypeVar("M")
MAX_MESSAGES = 2000


def split(messages: Sequence[M], encode: Callable[[Sequence[M]], bytes], *, max_bytes: int) -> list[bytes]:
    """The messages as frames within the limits, in order. LocalLinkError FRAME_TOO_LARGE when one alone is over."""
    if not messages:
        return []
    if len(messages) <= MAX_MESSAGES:
        frame = encode(messages)
        if len(frame) <= max_bytes:
            return [frame]
        if len(messages) == 1:
            raise LocalLinkError(f"a message of {len(frame)} bytes, {max_bytes} are allowed", code="FRAME_TOO_LARGE")
    half = len(messages) // 2
    return split(messages[:half], encode, max_bytes=max_bytes) + split(messages[half:], encode, max_bytes=max_bytes)


def too_many(count: int) -> RemoteLinkError:
    """The refusal of a frame that carries more messages than it may."""
    return RemoteLinkError(f"{count} messages in one frame, {MAX_MESSAGES} are allowed", code="TOO_MANY_MESSAGES")
