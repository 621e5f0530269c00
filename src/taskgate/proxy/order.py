"""The requests of one connection, answered in the order in which they came.

Only the first item of the queue has been started and may write; while another waits behind it nothing more is read.
What must not happen: an answer out of order, an answer to bytes behind a request that was refused, or a connection kept
open on which the end of a request is not known.
After a fault the connection is deaf: it finishes what came before, tells the fault in its turn, and ends.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import Final

from taskgate.errors import TaskgateError
from taskgate.proxy.line import FAULT, ITEM_HOLDS, PIPELINE, Line
from taskgate.proxy.ports import Item, Tunnel
from taskgate.proxy.refusal import Refusal
from taskgate.proxy.turn import NEVER, Turn

_log = logging.getLogger(__name__)

# How the bytes that come are taken.
HTTP: Final = 0
COUNTED: Final = 1  # inside a long body whose length is known
DEAF: Final = 2  # nothing more is understood: swallowed, or not even read
SWITCHING: Final = 3  # behind an upgrade: kept until somebody takes over
TUNNEL: Final = 4

DRAINED_BYTES: Final = 64 << 10
HALF_CLOSED_S: Final = 2.0


class Order(Line):
    """The order queue of a connection. `_receiving` is the item whose body is still coming, `_left` how much of it
    (-1 for a chunked one). `_unread` is how much of an unfinished head has come. `_awaits_switch`: the last item asked
    for an upgrade, and the parser has not yet said where its raw bytes begin."""

    __slots__ = (
        "_awaits_switch", "_behind", "_is_advancing", "_is_half_closed", "_is_started", "_keep_alive_s", "_left",
        "_mode", "_queue", "_receiving", "_tunnel", "_unread", "is_stopping",
    )  # fmt: skip

    def __init__(self, turn: Turn, *, stall_s: float, keep_alive_s: float) -> None:
        super().__init__(turn, stall_s=stall_s)
        self._keep_alive_s = keep_alive_s
        self._queue: deque[Item] = deque()
        self._receiving: Item | None = None
        self._left = 0
        self._mode = HTTP
        self._unread = 0
        self._behind = b""
        self._awaits_switch = False
        self._tunnel: Tunnel | None = None
        self._is_started = False
        self._is_advancing = False
        self._is_half_closed = False
        self.is_stopping = False

    # ---------------------------------------------------------------- what items say

    def finished(self, *, keep_alive: bool) -> None:
        """The first item is answered: the next one is started, or the connection ends."""
        if not self._queue:
            return
        done = self._queue.popleft()
        self._is_started = False
        self.release(ITEM_HOLDS)
        if (self._mode == TUNNEL or self._mode == SWITCHING) and not self._queue:
            self._end(linger=self._mode == TUNNEL or bool(self._behind))
        elif self._receiving is done:
            self._receiving = None
            is_short = 0 <= self._left <= DRAINED_BYTES
            if keep_alive and is_short and not self.is_stopping and self._mode != DEAF:
                self._advance()  # what is left of the body is read and dropped
            else:
                self._end(linger=True)
        elif not keep_alive:
            self._end(linger=self._mode == DEAF)
        elif self._queue:
            self._advance()
        elif self.is_stopping or self._is_half_closed or self._mode == DEAF:
            self._end(linger=self._mode == DEAF)
        elif self._receiving is None and not self._left and not self._unread:
            self.deadline = self._turn.now + self._keep_alive_s

    def abort(self) -> None:
        """Cut the connection: the answer of the first item cannot be completed."""
        if self._queue and self._is_started:
            self._queue.popleft()
            self._is_started = False
        self._mode = DEAF
        self.cut()

    def take_over(self, receiver: Tunnel) -> None:
        """From now on raw bytes go to `receiver`, first those that were read behind the request."""
        behind, self._behind = self._behind, b""
        self._mode = TUNNEL
        self._tunnel = receiver
        self.deadline = NEVER
        self.release(PIPELINE)
        if behind:
            receiver.received(behind)
        if self._is_half_closed:
            receiver.ended()

    # ---------------------------------------------------------------- what the server says

    def shutdown(self) -> None:
        """The gateway ends: what was asked is answered, then the connection is closed."""
        self.is_stopping = True
        if not self._queue:
            self._close()

    def sweep(self, now: float) -> None:
        """Do what is due."""
        if self.deadline <= now:
            self._expire(now)
        if self._queue and self._queue[0].deadline <= now:
            self._queue[0].on_deadline(now)
        if self._stall_at <= now:
            self._check_stall(now)

    def _expire(self, now: float) -> None:
        """The moment `deadline` has come."""

    # ---------------------------------------------------------------- the queue

    def _append(self, item: Item) -> None:
        self._queue.append(item)
        if len(self._queue) > 1:
            self.hold(PIPELINE)
        else:
            self._advance()

    def _advance(self) -> None:
        """Start the first item, and the next one whenever one is finished at once. Never deeper than one call."""
        if self._is_advancing:
            return
        self._is_advancing = True
        try:
            queue = self._queue
            while queue and not self._is_started and not (self._awaits_switch and len(queue) == 1):
                self._start(queue[0])
        finally:
            self._is_advancing = False
        if len(queue) < 2:
            self.release(PIPELINE)

    def _start(self, item: Item) -> None:
        self._is_started = True
        try:
            item.start()
        except Exception:
            _log.exception("a request could not be started")
            self._mode = DEAF
            self.cut()
            return
        if self._is_choked and self._is_started and self._queue and self._queue[0] is item:
            item.pace(is_open=False)

    def _fault(self, error: TaskgateError, *, instance: str = "", is_head: bool = False) -> None:
        """The bytes that come can no longer be told apart: say so in order, then end."""
        if self._mode == DEAF:
            return
        self._mode = DEAF
        self.deadline = NEVER
        if not self._is_lingering:
            self.hold(FAULT)
        item, self._receiving = self._receiving, None
        if item is None:
            self._append(Refusal(self, error, instance=instance, is_head=is_head))
        elif self._queue and self._queue[0] is item and self._is_started:
            item.broken(error)
        else:
            item.lost()
            self._queue[-1] = Refusal(self, error)

    def _end(self, *, linger: bool) -> None:
        """No more answers on this connection."""
        self._mode = DEAF
        self._drop()
        if linger:
            self._linger()
        else:
            self.deadline = NEVER
            self._close()

    def _drop(self) -> None:
        """Tell everybody who is still in the queue that the caller is gone."""
        self._receiving = None
        self._is_started = False
        while self._queue:
            self._queue.popleft().lost()

    def _paced(self, *, is_open: bool) -> None:
        if self._tunnel is not None:
            self._tunnel.pace(is_open=is_open)
        elif self._queue and self._is_started:
            self._queue[0].pace(is_open=is_open)
