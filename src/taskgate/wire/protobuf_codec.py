"""Messages as protobuf: the only file that imports the generated classes.

`decode_*` and `encode_*` have the shape of gRPC (de)serialisers: bytes on one side, a list of messages on the
other. Bad bytes raise RemoteLinkError.
"""

from __future__ import annotations

from collections.abc import Sequence

from taskgate.wire.messages import GatewayMessage, WorkerMessage


def decode_worker_frame(frame: bytes) -> list[WorkerMessage]:
    """What a worker said."""
    raise NotImplementedError


def decode_gateway_frame(frame: bytes) -> list[GatewayMessage]:
    """What a gateway said."""
    raise NotImplementedError


def encode_worker_frame(messages: Sequence[WorkerMessage]) -> bytes:
    """One frame with everything that a worker says now."""
    raise NotImplementedError


def encode_gateway_frame(messages: Sequence[GatewayMessage]) -> bytes:
    """One frame with everything that a gateway says now."""
    raise NotImplementedError
