"""The way of an upstream's answer to the caller: our own head and framing, the body piece by piece.

A piece is passed on in the turn in which it came, so that events and tokens are never held back. While the caller reads
slowly the upstream is not read. An answer that breaks off is passed on as broken off: its connection is cut, never
completed. An error status may still send the call to its next leg, as long as nothing of it was written.
"""

from __future__ import annotations

from typing import cast

from taskgate.errors import UpstreamBroken
from taskgate.proxy.call import ANSWERING, HOLD_UPSTREAM, RELAYING, SENT, monotonic
from taskgate.proxy.origins import without_theirs
from taskgate.proxy.pieces import CHUNKED, LAST_CHUNK, UPGRADE, chunk
from taskgate.proxy.ports import Item
from taskgate.proxy.reader import BODILESS, AnswerReader
from taskgate.proxy.refusal import ending, status_line
from taskgate.proxy.sending import Sending
from taskgate.proxy.tunnel import CallerSide, Relay
from taskgate.proxy.upstream import Upstream

JOINED_BYTES = 64 << 10
FROM_UPSTREAM = b"gateway-error-source: upstream\r\n"


class Answering(Sending):
    """A call that hears its upstream."""

    __slots__ = ()

    def interim(self, status: int, lines: bytes) -> None:
        """Pass it on; 100 is ours to say."""
        if status != 100 and self.head.version == "1.1" and self.state == SENT:
            self.front.write(b"%b%b\r\n" % (status_line(status), lines))

    def answered(self, answer: AnswerReader, piece: bytes, *, is_end: bool) -> None:
        """The head has come: take it for the answer, or go on with the next leg."""
        status = answer.status
        if self._record is not None:
            self._record_answer(answer)
        self._told_breaker(well=status < 500, why="" if status < 500 else f"it answered {status}")
        if status >= 500 and self.is_whole and self._may_advance("5xx") and monotonic() < self.chain_at:
            self._leave(is_end=is_end)
            if self._record is not None:
                if piece:
                    self._record.response_body(piece)
                self._record.attempt_ended(moved_on_because="5xx")
            self._advance()
            return
        self.state = ANSWERING
        self.status = status
        self.is_framed = self._frame(answer)
        lines = self._answer_lines(answer)
        if self._record is not None and piece:
            self._record.response_body(piece)
        self.out_bytes = len(piece)
        if self.is_framed:
            piece = (chunk(piece) if piece else b"") + (LAST_CHUNK if is_end else b"")
        if len(piece) <= JOINED_BYTES:
            self.front.write(lines + piece)
        else:
            self.front.write(lines)
            self.front.write(piece)
        if is_end:
            self._complete()
        else:
            self.deadline = self._within(self.lane.policy.timeouts.idle_s)

    def more(self, piece: bytes, *, is_end: bool) -> None:
        """A piece of the body, or its end."""
        self.out_bytes += len(piece)
        if self._record is not None and piece:
            self._record.response_body(piece)
        if self.is_framed:
            piece = (chunk(piece) if piece else b"") + (LAST_CHUNK if is_end else b"")
        if piece:
            self.front.write(piece)
        if is_end:
            self._complete()
        else:
            self.deadline = self._within(self.lane.policy.timeouts.idle_s)

    def broke(self, why: str) -> None:
        """The upstream ended too early, or said what is no answer."""
        upstream, self.upstream = self.upstream, None
        if self.state == ANSWERING:
            self._told_breaker(well=False, why="it cut its answer short")
            self._cut("UPSTREAM_CUT")
            return
        stale = upstream is not None and upstream.served > 0 and not upstream.is_heard
        self._told_breaker(well=None if stale else False, why=f"no valid answer: {why}")
        self._failed("5xx", UpstreamBroken(f"the service gave no valid answer: {why}"), stale=stale)

    def paced(self, *, is_open: bool) -> None:
        """The upstream reads slowly: so is the caller read."""
        if is_open:
            self.front.release(HOLD_UPSTREAM)
        else:
            self.front.hold(HOLD_UPSTREAM)

    def switched(self, answer: AnswerReader) -> None:
        """101: from here on both connections are one pipe."""
        upstream = self.upstream
        if upstream is None:
            return
        self._told_breaker(well=True)
        self.state = RELAYING
        self.status = 101
        self.front.write(b"%b%b%b%b\r\n" % (status_line(101), b"".join(answer.lines), UPGRADE, self._own_lines()))
        self.upstream = None
        upstream.home.lend(upstream)
        relay = Relay(
            self.front, upstream, item=cast(Item, self), idle_s=self.lane.policy.timeouts.idle_s, ended=self._relayed
        )
        self.relay = relay
        if answer.rest and upstream.raw is not None:
            upstream.raw.came(answer.rest)
        self.front.take_over(CallerSide(relay))

    # ---------------------------------------------------------------- the head for the caller

    def _frame(self, answer: AnswerReader) -> bool:
        """Whether the body goes in chunks; sets `is_last` where the connection must end behind this answer."""
        head = self.head
        self.is_last = not (head.keep_alive and self.has_body_ended) or self.front.is_stopping or head.upgrade != ""
        if answer.length is not None or head.method == "HEAD" or answer.status in BODILESS:
            return False
        if head.version == "1.0":
            self.is_last = True
            return False
        return True

    def _answer_lines(self, answer: AnswerReader) -> bytes:
        head = self.head
        if answer.length is not None and answer.status != 204:
            framing = b"content-length: %d\r\n" % answer.length
        else:
            framing = CHUNKED if self.is_framed else b""
        lines = without_theirs(answer.lines) if self.means.origins.is_on else answer.lines
        return b"".join(
            (
                status_line(answer.status), *lines, framing, self._own_lines(),
                FROM_UPSTREAM if answer.status >= 400 else b"", ending(head, keep_alive=not self.is_last), b"\r\n",
            )
        )  # fmt: skip

    def _own_lines(self) -> bytes:
        now = monotonic()
        up = now - self.sent_at
        return b"%bx-request-id: %b\r\nserver-timing: gw;dur=%.2f, up;dur=%.2f\r\ngateway-attempts: %d\r\n%b" % (
            self.means.passing.via,
            self.request_id,
            (now - self.started_at - up) * 1e3,
            up * 1e3,
            self.attempts,
            self.grant_lines,
        )

    def _record_answer(self, answer: AnswerReader) -> None:
        if self._record is not None:
            self._record.answered(answer.status, answer.pairs)

    # ---------------------------------------------------------------- the end

    def _leave(self, *, is_end: bool) -> None:
        """The connection is not this call's any more; it is used again only where nothing of it is left over."""
        upstream: Upstream | None = self.upstream
        self.upstream = None
        if upstream is None:
            return
        upstream.hearer = None
        if is_end and self.has_body_ended and upstream.is_sound and not upstream.transport.is_closing():
            if self.is_paced:
                upstream.transport.resume_reading()
            pool = self.lane.legs[self.leg_number].pool
            assert pool is not None
            pool.give_back(upstream)
        else:
            upstream.home.drop(upstream)

    def _complete(self) -> None:
        """The answer is whole."""
        self._leave(is_end=True)
        if self._record is not None:
            self._record.attempt_ended()
        self._finish()
        self.front.finished(keep_alive=not self.is_last)

    def _relayed(self, bytes_in: int, bytes_out: int) -> None:
        """The tunnel has ended, at both ends."""
        self.body_bytes, self.out_bytes, self.relay = bytes_in, bytes_out, None
        self._finish()
