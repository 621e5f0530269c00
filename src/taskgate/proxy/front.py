"""The server side of the data plane: bytes of one caller in, requests out, in order.

A head is parsed and checked before anybody is asked for it; then `claims` says whether it is forwarded, and everything
else is the application's. Bodies with a length are counted, not parsed, once they are long. What cannot be read in one
way only ends the connection: nothing behind it is ever taken for a request.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final, cast

import httptools

from taskgate.errors import HeadTooLarge, Malformed, TaskgateError, TooSlow
from taskgate.proxy.asgi import Cycle
from taskgate.proxy.doorway import Doorway
from taskgate.proxy.head import Draft, Peer, check_head
from taskgate.proxy.order import COUNTED, DEAF, HALF_CLOSED_S, HTTP, SWITCHING, TUNNEL, Order
from taskgate.proxy.ports import Head, Item
from taskgate.proxy.refusal import Refusal
from taskgate.proxy.repeated import Repeated, remembered
from taskgate.proxy.sockets import SocketHandOver
from taskgate.proxy.turn import NEVER
from taskgate.proxy.wire import Wire

_log = logging.getLogger(__name__)
COUNTED_BYTES: Final = 32 << 10  # bodies with more than this still to come are counted
KEPT_BEHIND_BYTES: Final = 64 << 10
BEHIND: Final = 32
FRAMING_PER_BYTE: Final = 16  # what chunks may cost beside their contents


class CallerConnection(Order):
    """One caller's connection. `_marks` counts heads and ends of bodies, so that a segment that brought neither is
    known as a part of a head."""

    __slots__ = (
        "_doorway", "_draft", "_is_pending", "_last", "_marks", "_parser", "_peer", "_repeated", "on_header",
        "on_url",
    )  # fmt: skip

    def __init__(self, doorway: Doorway) -> None:
        settings = doorway.settings
        super().__init__(doorway.turn, stall_s=settings.body_idle_s, keep_alive_s=settings.keep_alive_s)
        self._doorway = doorway
        self._marks = 0
        self._last: Head | None = None
        self._repeated: Repeated | None = None
        self._is_pending = True
        self._draft: Draft
        self._peer: Peer
        self._parser: httptools.HttpRequestParser

    # ---------------------------------------------------------------- the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A caller is here; its first head has to come in time."""
        doorway = self._doorway
        self._transport = cast(asyncio.Transport, transport)
        self._wire = Wire(self._transport, doorway.turn.outgoing)
        peer = transport.get_extra_info("peername")
        if isinstance(peer, list | tuple) and len(peer) >= 2:
            self.address, self.port = str(peer[0]), int(peer[1])
        if doorway.address is None:
            own = transport.get_extra_info("sockname")
            doorway.address = (str(own[0]), int(own[1])) if isinstance(own, list | tuple) else None
        if transport.get_extra_info("sslcontext"):
            self.scheme = "https"
        self._peer = Peer(self.address, scheme=self.scheme, trust=doorway.trust)
        self._draft = doorway.draft_for(self._peer, transport)
        self.on_url, self.on_header = self._draft.on_url, self._draft.on_header
        self._renew_parser()
        self.deadline = self._turn.now + doorway.settings.header_s
        doorway.turn.add(self)
        doorway.server_state.connections.add(self)  # type: ignore[arg-type]
        if not self._peer.is_trusted:
            doorway.pending.add(self, self.address, give_way=self._give_way)

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller is gone, or we have closed: whatever was begun for it ends."""
        self._leave()
        self._transport = None
        self._mode, was = DEAF, self._mode
        tunnel, self._tunnel = self._tunnel, None
        if was == TUNNEL and tunnel is not None:
            self._queue.clear()
            tunnel.lost()
        self._drop()

    def data_received(self, data: bytes) -> None:
        """Bytes from the caller."""
        if self._mode != HTTP:
            self._take(data)
        elif self._left > COUNTED_BYTES:
            self._mode = COUNTED
            self._take(data)
        else:
            repeated = self._repeated
            if (
                repeated is None
                or not data.startswith(repeated.block, len(data) - repeated.tail)
                or not self._takes_again(data, repeated)
            ):
                self._feed(data)

    def eof_received(self) -> bool:
        """The caller sends no more. It may still read: what it asked is answered, for a while."""
        self._is_half_closed = True
        if self._mode == TUNNEL and self._tunnel is not None:
            self._tunnel.ended()
            return self.scheme == "http"
        if self._receiving is not None and self._left:
            self._fault(Malformed("the body ended too early", code="BODY_CUT"))
        if self._is_lingering or not self._queue:
            return False
        self.deadline = self._turn.now + HALF_CLOSED_S
        return self.scheme == "http"

    # ---------------------------------------------------------------- the parser

    def on_headers_complete(self) -> None:
        """A head is whole: check it, ask whose it is, put it into the queue."""
        if self._mode != HTTP:
            return  # behind a refusal in the same segment
        self._marks += 1
        parser, draft, doorway = self._parser, self._draft, self._doorway
        method = parser.get_method()
        if self._unread > doorway.settings.max_head_bytes and draft.weight() > doorway.settings.max_head_bytes:
            self._refuse_large_head()
            return
        is_upgrade = parser.should_upgrade()
        head = check_head(
            draft, method, version=parser.get_http_version(), keep_alive=parser.should_keep_alive(),
            is_upgrade=is_upgrade, peer=self._peer, max_headers=doorway.settings.max_headers,
        )  # fmt: skip
        draft.clear()
        self._unread = 0
        if self._is_pending:
            self._settle()
        if not isinstance(head, Head):
            self._fault(head, is_head=method == b"HEAD")
            return
        length = head.body_length
        self._left = -1 if length is None else length
        self.deadline = NEVER if length == 0 else self._turn.now + doorway.settings.body_idle_s
        item = self._item(head)
        self._receiving = item
        self._last = head
        self._awaits_switch = head.upgrade != ""
        self._append(item)

    def on_body(self, piece: bytes) -> None:
        """A piece of a body, unframed."""
        if self._left > 0:
            self._left -= len(piece)
        else:
            self._unread -= FRAMING_PER_BYTE * len(piece)
        if self._receiving is not None:
            self._receiving.body(piece)

    def on_message_complete(self) -> None:
        """The end of a request. Trailers are dropped: nothing that was authorised stands in them."""
        if self._mode == DEAF:
            return
        self._marks += 1
        if self._left < 0:
            self._draft.clear()
            self._unread = 0
        self._left = 0
        item, self._receiving = self._receiving, None
        if item is not None:
            self.deadline = NEVER
            item.body_end()
        elif not self._queue:
            self.deadline = self._turn.now + self._keep_alive_s

    # ---------------------------------------------------------------- inside

    def _item(self, head: Head) -> Item:
        """Who answers. TRACE is forwarded for nobody: it would show a caller what was added on the way."""
        try:
            item = self._doorway.claims(self, head) if head.method != "TRACE" else None
        except TaskgateError as error:
            return Refusal(self, error, instance=head.path, is_head=head.method == "HEAD")
        if item is not None:
            return item
        if head.upgrade:
            return SocketHandOver(self, head, doorway=self._doorway, hand_over=self._hand_over)
        return Cycle(self, head, doorway=self._doorway)

    def _feed(self, data: bytes) -> None:
        """Parse a segment. What the caller still owes afterwards has a deadline."""
        marks = self._marks
        is_clean = not self._unread
        self._repeated = None
        self._unread += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as stop:
            self._switched(data[stop.args[0] :])
        except httptools.HttpParserCallbackError as error:
            _log.error("a request could not be taken in", exc_info=error.__context__ or error)
            self._mode = DEAF
            self.cut()
        except httptools.HttpParserError:
            self._fault(Malformed("this is not HTTP/1.1 as it is written down", code="MALFORMED_REQUEST"))
        if self._mode != HTTP:
            return
        if self._left:
            self._still_owed()
        elif self._marks == marks:
            if self._unread > self._doorway.settings.max_head_bytes:
                self._refuse_large_head()
            elif self._unread == len(data) and not self._is_pending:
                self.deadline = self._turn.now + self._doorway.settings.header_s
        else:
            if is_clean and self._marks == marks + 2 and self._last is not None:
                self._repeated = remembered(data, self._last)
            self._unread = len(self._draft.target)  # the beginning of the next head came along
            if self._unread:
                self.deadline = self._turn.now + self._doorway.settings.header_s

    def _takes_again(self, data: bytes, repeated: Repeated) -> bool:
        """Take a request whose headers are the last one's; False when the parser has to look at it."""
        head = repeated.read(data) if not self._queue else None
        if head is None:
            return False
        self.deadline = NEVER
        item = self._item(head)
        if repeated.length:
            item.body(data[-repeated.length :])
        item.body_end()
        self._append(item)
        return True

    def _still_owed(self) -> None:
        """A part of a body came; for chunks, not only framing."""
        self.deadline = self._turn.now + self._doorway.settings.body_idle_s
        if self._left < 0 and self._unread > self._doorway.settings.max_head_bytes:
            self._fault(Malformed("the chunks are mostly framing", code="BODY_FRAMING"))
        self._unread = max(self._unread, 0) if self._left < 0 else 0

    def _take(self, data: bytes) -> None:
        """Bytes that are not for the parser."""
        if self._mode == TUNNEL:
            if self._tunnel is not None:
                self._tunnel.received(data)
        elif self._mode == COUNTED:
            self._count(data)
        elif self._mode == SWITCHING:
            self._behind += data
            if len(self._behind) > KEPT_BEHIND_BYTES:
                self.hold(BEHIND)
        elif self._is_lingering:
            self._swallow(data)

    def _count(self, data: bytes) -> None:
        """A piece of a body whose length is known; its end may be followed by another request."""
        rest = b""
        if len(data) > self._left:
            data, rest = data[: self._left], data[self._left :]
        self._left -= len(data)
        self.deadline = self._turn.now + self._doorway.settings.body_idle_s
        if self._receiving is not None:
            self._receiving.body(data)
        if not self._left and self._mode == COUNTED:
            self._mode = HTTP
            self._renew_parser()
            self.on_message_complete()
            if rest:
                self.data_received(rest)

    def _switched(self, behind: bytes) -> None:
        """The parser has stopped behind an upgrade: raw bytes follow, or an ordinary request whose wish is not met."""
        if self._mode != HTTP:
            return
        if self._awaits_switch:
            self._mode = SWITCHING
            self._behind = behind
            self._awaits_switch = False
            self._advance()
        else:
            self._renew_parser()
            if behind:
                self._feed(behind)

    def _refuse_large_head(self) -> None:
        limit = self._doorway.settings.max_head_bytes
        self._fault(HeadTooLarge(f"the head of the request is larger than {limit} bytes", extra={"limit_bytes": limit}))

    def _expire(self, now: float) -> None:
        self.deadline = NEVER
        if self._is_lingering or self._mode == DEAF or self._is_half_closed:
            self.cut()
        elif self._left:
            if self._holds:
                self.deadline = now + self._doorway.settings.body_idle_s  # it is we who do not read
            else:
                self._mode = HTTP
                self._fault(TooSlow("the body stood still", code="BODY_TOO_SLOW"))
        elif self._unread:
            self._fault(TooSlow("the head of the request did not come in time", code="HEAD_TOO_SLOW"))
        elif not self._queue:
            self._close()

    def _renew_parser(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def _hand_over(self, protocol: asyncio.Protocol, opening: bytes) -> None:
        """Leave the connection to another protocol: what was read of it is read again by that one."""
        transport, behind = self._transport, self._behind
        if transport is None:
            return
        self._leave()
        self._queue.clear()
        self._mode, self._transport, self._behind = DEAF, None, b""
        if self._holds:
            transport.resume_reading()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(opening)
        if behind:
            protocol.data_received(behind)

    def _settle(self) -> None:
        """The first head has come: this is a caller like any other."""
        self._is_pending = False
        self._doorway.pending.discard(self, self.address)

    def _give_way(self) -> None:
        self._is_pending = False
        self._fault(TooSlow("too many connections of this address wait for their first request", code="HEAD_TOO_SLOW"))

    def _leave(self) -> None:
        """Nobody looks after this connection any more."""
        if self._is_pending:
            self._settle()
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.left()
        del self._parser  # it refers to this connection, and this to it
        self._doorway.turn.discard(self)
        self._doorway.server_state.connections.discard(self)
