"""Messages as JSON text frames: one object, or an array of them.

Payloads stay raw bytes in both directions. A decoded raw payload is a view into its frame: copy it
(`bytes(raw)`) if it outlives the frame. Bad bytes raise RemoteLinkError that names the place, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from taskgate.wire.messages import GatewayMessage, Message, WorkerMessage


def decode_worker_frame(frame: bytes | str, *, max_bytes: int = 1 << 20) -> list[WorkerMessage]:
    """What a worker said. An object without `type` but with `worker_id` is the demo clients' hello."""
    raise NotImplementedError


def decode_gateway_frame(frame: bytes | str, *, max_bytes: int = 4 << 20) -> list[GatewayMessage]:
    """What a gateway said."""
    raise NotImplementedError


def encode_frames(messages: Sequence[Message], *, max_bytes: int = 1 << 20, single: bool = False) -> list[bytes]:
    """Frames of at most `max_bytes`, in order; `single` puts one object into each (simple clients).

    LocalLinkError with code FRAME_TOO_LARGE when one message alone is larger.
    """
    raise NotImplementedError
