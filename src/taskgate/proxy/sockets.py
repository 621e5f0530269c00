"""A WebSocket of the application: its connection is handed to the server's WebSocket protocol.

The handshake is written out again for that protocol, followed by what the caller sent behind it in the same segment.
It waits for its place in the order like any other request, and then for its turn among the handshakes of all callers:
a WebSocket lives long and may wait a moment, so that a thousand of them do not keep everybody else from an answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from taskgate.errors import Malformed, TaskgateError, Unavailable
from taskgate.proxy.doorway import Doorway
from taskgate.proxy.ports import Front, Head
from taskgate.proxy.refusal import write_problem
from taskgate.proxy.turn import NEVER

_log = logging.getLogger(__name__)
HandOver = Callable[[asyncio.Protocol, bytes], None]


class SocketHandOver:
    """The item of a WebSocket handshake that the application answers."""

    __slots__ = ("_doorway", "_front", "_hand_over", "_head", "_is_lost", "deadline")

    def __init__(self, front: Front, head: Head, *, doorway: Doorway, hand_over: HandOver) -> None:
        self._front = front
        self._head = head
        self._doorway = doorway
        self._hand_over = hand_over
        self._is_lost = False
        self.deadline = NEVER

    def start(self) -> None:
        """Everything before it is answered: hand the connection over when it is its turn."""
        self._doorway.turnstile.enter(self._pass)

    def _pass(self) -> None:
        """It is its turn, unless the caller has left meanwhile or the gateway has begun to end."""
        if self._is_lost:
            return
        if self._front.is_stopping:
            self.broken(Unavailable("this gateway is ending", code="STOPPING"))
            return
        try:
            self._switch()
        except Exception:
            _log.exception("a WebSocket could not be handed over")
            self._front.abort()

    def _switch(self) -> None:
        doorway = self._doorway
        protocol_class: Any = doorway.config.ws_protocol_class
        if protocol_class is None:
            self.broken(Malformed("no WebSocket is spoken here"))
            return
        protocol = protocol_class(
            config=doorway.config, server_state=doorway.server_state, app_state=doorway.app_state
        )  # fmt: skip
        protocol.caller = (self._head.caller, self._front.port)
        self._hand_over(protocol, self._opening())

    def body(self, data: bytes) -> None:
        """A handshake has none."""

    def body_end(self) -> None:
        """A handshake has none."""

    def broken(self, error: TaskgateError) -> None:
        """Refuse, and close."""
        self._front.write(write_problem(error, instance=self._head.path))
        self._front.finished(keep_alive=False)

    def lost(self) -> None:
        """Nothing was begun, and nothing will be."""
        self._is_lost = True

    def pace(self, *, is_open: bool) -> None:
        """Nothing is written here."""

    def on_deadline(self, now: float) -> None:
        """There is none."""

    def _opening(self) -> bytes:
        head = self._head
        lines = [b"%b %b HTTP/1.1\r\n" % (head.method.encode("ascii"), head.target)]
        for name, value in head.pairs:
            lines += (name, b": ", value, b"\r\n")
        lines.append(b"\r\n")
        return b"".join(lines)
