"""What a service says to the gateway next, and after how long: a small machine without I/O.

    away ──register──▶ registered ──renew──▶ registered
      ▲                     │
      └── 404, new body ────┘        any failure: the same word again, later

A gateway that restarted or forgot the service answers 404 to a renewal; the next word is a registration, at once.
After `retries` quick tries the pauses grow with full jitter, for ever: a thousand services that lost the same
gateway must not come back in the same moment. A refusal is tried again too, since a key may be granted later.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Verb = Literal["register", "renew"]
LONGEST_S = 30.0
RENEW_S = 10.0
STANDING_S = 60.0  # how often a service whose registration has no end looks whether it is still known
GONE = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the gateway answered. `status` 0 is no answer at all; `detail` says why it was not taken."""

    status: int
    detail: str = ""
    lease_s: float | None = None
    renew_after_s: float = 0.0
    retry_after_s: float = 0.0
    routes: int = 0
    warnings: tuple[str, ...] = ()
    identity_secret: str = field(default="", repr=False)

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How long to wait before the next word, and what to tell the operator at which level of the log."""

    pause_s: float
    level: int = logging.DEBUG
    text: str = ""


@dataclass(slots=True, kw_only=True)
class Announcer:
    """Where one service stands with its gateway. `problem` is why it is not registered, empty when it is."""

    retries: int
    delay_s: float
    fraction: Callable[[], float] = field(default=random.random, repr=False)
    is_registered: bool = False
    problem: str = ""
    identity_secret: str = field(default="", repr=False)
    _failure_count: int = 0
    _body: bytes = b""
    _renew_s: float = RENEW_S

    def next(self, body: bytes) -> Verb:
        """The next word, now that the service would register with `body`."""
        return "renew" if self.is_registered and body == self._body else "register"

    def told(self, verb: Verb, *, body: bytes, reply: Reply) -> Outcome:
        """What the gateway's reply to that word means."""
        if reply.is_good:
            return self._accepted(verb, body, reply)
        if verb == "renew" and reply.status == GONE:
            self.is_registered = False
            return Outcome(pause_s=0.0, level=logging.INFO, text="the gateway does not know this service any more")
        return self._failed(verb, reply)

    def _accepted(self, verb: Verb, body: bytes, reply: Reply) -> Outcome:
        was_away = not self.is_registered or bool(self.problem) or verb == "register"
        if verb == "register":
            self._body = body
            self.identity_secret = reply.identity_secret
        self.is_registered, self.problem, self._failure_count = True, "", 0
        if reply.renew_after_s > 0:
            self._renew_s = reply.renew_after_s
        elif reply.lease_s == 0:
            self._renew_s = STANDING_S
        pause_s = self._renew_s * (0.9 + 0.1 * self.fraction())
        if not was_away:
            return Outcome(pause_s=pause_s)
        done = f"registered with {reply.routes} routes" if verb == "register" else "renewed"
        return Outcome(pause_s=pause_s, level=logging.INFO, text=f"{done}; the next renewal in {pause_s:.0f} s")

    def _failed(self, verb: Verb, reply: Reply) -> Outcome:
        self._failure_count += 1
        if verb == "register":
            self.is_registered = False
        pause_s = max(self._pause_s(), min(reply.retry_after_s, 2 * LONGEST_S))
        if verb == "renew":
            pause_s = min(pause_s, self._renew_s)
        is_news = reply.detail != self.problem
        self.problem = reply.detail or f"the gateway answered {reply.status}"
        level = logging.DEBUG if not is_news else logging.ERROR if 400 <= reply.status < 500 else logging.WARNING
        word = "not registered" if verb == "register" else "not renewed"
        return Outcome(pause_s=pause_s, level=level, text=f"{word}, this goes on being tried: {self.problem}")

    def _pause_s(self) -> float:
        if self._failure_count < self.retries:
            return self.delay_s
        window_s = max(self.delay_s, 0.5) * 2.0 ** min(self._failure_count - self.retries + 1, 16)
        return min(LONGEST_S, window_s) * self.fraction()
