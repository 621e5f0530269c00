"""What the link process and a task process say to each other, over a stream socket between the two.

A frame is four bytes of length (little-endian) and one msgpack message; both sides are of the same
installation, so there are no versions. `number` counts the runs given to one task process from 1; runs
are done in that order. The right to begin one is not a frame but a ticket (see `slot`).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from taskgate.errors import RemoteLinkError

STREAMS = ("log", "stdout", "stderr")  # a stream's number in frames is its place here
MAX_FRAME_BYTES = 64 << 20


class Frame(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Parent of every frame."""


# ---------------------------------------------------------------- link process → task process


class Setup(Frame, frozen=True, array_like=True, gc=False, tag=0):
    """First frame: what to load, and the limits that the process sets for itself before it does."""

    tasks: list[str]
    paths: list[str]
    max_processes: int | None
    max_open_files: int | None
    nice: int


class Go(Frame, frozen=True, array_like=True, gc=False, tag=1):
    """A run to do after those before it."""

    number: int
    run_id: str
    attempt: int
    task: str
    version: str
    payload: bytes
    timeout_s: float | None
    max_output_bytes: int
    max_log_bytes: int
    tenant: dict[str, str]
    labels: dict[str, str]
    traceparent: str


class Cancel(Frame, frozen=True, array_like=True, gc=False, tag=2):
    """Somebody wants this run to stop."""

    number: int


class Drop(Frame, frozen=True, array_like=True, gc=False, tag=3):
    """The last `count` runs given so far were taken back, with their tickets: forget them, answer `Dropped`."""

    count: int


class Taken(Frame, frozen=True, array_like=True, gc=False, tag=4):
    """Answer to the `Piece` of that serial number: `status` is the gateway's (200 and 202: it is durable), `offset`
    where the next one begins."""

    number: int
    serial: int
    offset: int
    status: int
    code: str
    detail: str


# ---------------------------------------------------------------- task process → link process


class Loaded(Frame, frozen=True, array_like=True, gc=False, tag=10):
    """Answer to `Setup`: task offers as a JSON array. `failure` is the one line that says why there are none."""

    offers: bytes
    memory_bytes: list[int | None]
    failure: str = ""


class Done(Frame, frozen=True, array_like=True, gc=False, tag=11):
    """A run has ended. `body` is the JSON of its output or error; the sizes are those of fd 1 and 2 at the end.

    `leftover`: processes that the run began are still alive. `spent_s` is monotonic.
    """

    number: int
    is_ok: bool
    body: bytes
    code: str
    error_class: str
    retryable: bool | None
    retry_at: float | None
    started_at: float
    spent_s: float
    out_size: int
    err_size: int
    dropped_count: int
    leftover: bool


class Said(Frame, frozen=True, array_like=True, gc=False, tag=12):
    """Log lines of one moment. Number 0: said outside of any run, while modules were loading."""

    number: int
    stream: int
    level: str
    at: float
    lines: list[str]


class Progressed(Frame, frozen=True, array_like=True, gc=False, tag=13):
    """How far a run is."""

    number: int
    fraction: float
    text: str
    at: float


class Dropped(Frame, frozen=True, array_like=True, gc=False, tag=14):
    """Answer to `Drop`."""


class Piece(Frame, frozen=True, array_like=True, gc=False, tag=15):
    """A part of a log that is uploaded. With `sha256`, the whole's, it is the last."""

    number: int
    serial: int
    name: str
    offset: int
    content: bytes
    sha256: str


ToTask = Setup | Go | Cancel | Drop | Taken
ToLink = Loaded | Done | Said | Progressed | Dropped | Piece

_encode = msgspec.msgpack.Encoder().encode


def pack(frame: Frame) -> bytes:
    """A frame as bytes for the socket."""
    body = _encode(frame)
    return len(body).to_bytes(4, "little") + body


class FrameReader:
    """Cuts a byte stream into the bodies of its frames."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[memoryview]:
        """The bodies completed by `chunk`, in order; consume them all. RemoteLinkError on an absurd length."""
        stream = self._rest + chunk if self._rest else chunk
        view, at, end = memoryview(stream), 0, len(stream)
        while end - at >= 4:
            size = int.from_bytes(view[at : at + 4], "little")
            if size > MAX_FRAME_BYTES:
                raise RemoteLinkError(f"a task process sent a frame of {size} bytes")
            if end - at - 4 < size:
                break
            yield view[at + 4 : at + 4 + size]
            at += 4 + size
        self._rest = stream[at:]
