"""What the parts of the data plane promise each other, and what they need from other rooms.

A connection (`front.py`) keeps its requests in order. Each request is an `Item`; only the first of the queue has been
started and may write. A request line and its headers are checked (`head.py`) before any item exists; `Claims` decides
whether the data plane forwards it or the ASGI application answers.
Everything here is synchronous and runs on the event loop: an item that must wait keeps what comes meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from taskgate.errors import TaskgateError
from taskgate.identity.principal import Principal
from taskgate.routes.ports import RunAnswer as RunAnswer  # noqa: PLC0414  # handed on
from taskgate.routes.ports import RunDoor as RunDoor  # noqa: PLC0414

Pair = tuple[bytes, bytes]


class Head(msgspec.Struct, gc=False):
    """A checked request head. Names are lower case; nothing in it can be read in two ways.

    `target` is what goes upstream (raw path and query), `path` the decoded path that was routed and authorised.
    `pairs` are all headers as sent, for the application and the doorkeeper. `lines` are those that may be forwarded,
    ready to be written (each `name: value\\r\\n`): none that is hop by hop, named by Connection, an identity or a
    credential (twins with underscores too), about forwarding, tracing, framing or Host. `body_length` is None for a
    chunked body, 0 for none. `upgrade` is `websocket` or empty; any other upgrade is not offered to anybody.
    `special` has what the forwarding item writes itself, values of repeated headers joined by commas: credentials
    (authorization, x-api-key; gone when Connection named them), via, traceparent, tracestate, x-request-id, and from
    trusted peers alone forwarded and x-forwarded-*.
    `caller` and `scheme` are the caller's own where a trusted peer tells them, else those of the connection.
    `memory` is shared by requests of one connection that have the very same headers (and so the same `pairs`): what was
    found out about those may be kept there; None where there is none.
    """

    method: str
    target: bytes
    path: str
    query: bytes
    version: str
    host: bytes
    pairs: list[Pair]
    lines: bytes
    body_length: int | None
    keep_alive: bool
    special: dict[bytes, bytes]
    caller: str = ""
    scheme: str = "http"
    upgrade: str = ""
    expects_continue: bool = False
    memory: dict[str, Any] | None = None


class Front(Protocol):
    """A caller's connection as an item sees it. Writing is for the started item alone, until it says `finished`."""

    address: str
    port: int
    scheme: str
    is_stopping: bool  # the gateway ends: an answer whose head is still to come should say `connection: close`

    def write(self, piece: bytes) -> None:
        """Send bytes of the answer."""
        ...

    def hold(self, reason: int) -> None:
        """Read nothing more from the caller until every reason was released. A reason is one bit: 1, 2 and 4 are the
        started item's (dropped when it has finished), higher ones the front's own."""
        ...

    def release(self, reason: int) -> None: ...

    def finished(self, *, keep_alive: bool) -> None:
        """The answer is complete: the next item is started, or the connection is closed (lingering, when a body
        was still coming)."""
        ...

    def abort(self) -> None:
        """Cut the connection: an answer that has begun cannot be completed, and the caller must see that."""
        ...

    def take_over(self, receiver: Tunnel) -> None:
        """From now on raw bytes go to `receiver`; what was read behind the request comes first. The item stays the
        started one: its `deadline` counts, and `finished(keep_alive=False)` or `abort` ends the connection."""
        ...

    def end_writing(self) -> None:
        """Half-close: nothing more is sent, reading goes on. Only behind `take_over`."""
        ...


class Tunnel(Protocol):
    """Who gets the raw bytes of a connection that was taken over."""

    def received(self, data: bytes) -> None: ...

    def ended(self) -> None:
        """The caller sends no more (half-closed)."""
        ...

    def lost(self) -> None: ...

    def pace(self, *, is_open: bool) -> None:
        """The caller reads slowly (False): send it nothing more until it reads again (True)."""
        ...


class Item(Protocol):
    """One request of a connection, in its order queue. `deadline` is a monotonic moment, infinity for none."""

    deadline: float

    def start(self) -> None:
        """It is the first of the queue now. Pieces of its body may have come before."""
        ...

    def body(self, data: bytes) -> None:
        """A piece of the request's body, in order, without framing."""
        ...

    def body_end(self) -> None:
        """The body is whole. Called for a request without a body too; it may come before `start`."""
        ...

    def broken(self, error: TaskgateError) -> None:
        """The framing of its body is wrong, or it came too slowly: nothing more comes. The error's own answer if
        nothing was written yet, and close; else `abort`. Only a started item hears it."""
        ...

    def lost(self) -> None:
        """The caller is gone: end what was begun for it. Nothing may be written any more. Not called behind
        `finished` or `abort`, nor once a tunnel has taken over (the tunnel hears it)."""
        ...

    def pace(self, *, is_open: bool) -> None:
        """The caller reads slowly (False): produce nothing more until it reads again (True)."""
        ...

    def on_deadline(self, now: float) -> None:
        """`deadline` has passed (the sweep looks a few times a second)."""
        ...


class Claims(Protocol):
    """Decides whose a request is."""

    def __call__(self, front: Front, head: Head) -> Item | None:
        """The item that forwards it (a WebSocket upgrade of a proxied route too), None for the application."""
        ...


class Doorkeeper(Protocol):
    """Who calls. Raises Unauthenticated, Limited, Unavailable, Malformed, InvalidInput."""

    def recall(
        self, pairs: Sequence[Pair], *, query: bytes, address: str, memory: dict[str, Any] | None = None
    ) -> Principal | None:
        """Who calls, from memory alone; None when only `admit` can tell. `memory` is that of the headers."""
        ...

    async def admit(self, pairs: Sequence[Pair], *, query: bytes, address: str) -> Principal: ...


class Pinner(Protocol):
    """Judges where an upstream's name leads, at every connect (INV-P2)."""

    async def pin(self, host: str, port: int, *, scheme: str, site_id: str) -> tuple[str, ...]:
        """The judged IP addresses to connect to, in order. Raises Forbidden (ADDRESS_FORBIDDEN) and Unavailable
        (NAME_NOT_RESOLVED)."""
        ...


class CallTracing(Protocol):
    """Tells the spans of calls, where somebody collects them."""

    def begin(self, sent: bytes | None) -> tuple[str, str]:
        """From the caller's `traceparent`: the one that goes on to the service, and the caller's span or nothing."""
        ...

    def ended(
        self,
        traceparent: str,
        parent_span: str,
        *,
        lasted_s: float,
        status: int,
        error: str,
        attributes: dict[str, str | int],
    ) -> None:
        """Once for every call; `status` 0 is a cut. Never raises, never waits."""
        ...
