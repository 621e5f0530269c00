"""A breaker in front of one backend: while it is away, whoever asks hears so at once instead of waiting for nothing.

One guard stands where the adapters of one backend meet its driver, so no adapter knows of it, and the breaker of one
backend knows nothing of another's (INV-R2). What counts against a backend is silence alone: no connection to it can be
made, or a caller waited out its patience. An answer, whatever it says (a constraint, a full disk, a lock), counts for
it. A connection that was lost in the middle counts for nothing: the next call has to connect, and that tells.

It opens after so many silences with no answer between them, is probed by one call at a time, and closes with the
first answer. A process that stood still itself may take its own sleep for one silence, never for several.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from taskgate.errors import Unavailable
from taskgate.limits.breaker import Breaker, State

_log = logging.getLogger(__name__)
FAILURES = 3
OPEN_S = 0.5
NEARLY = 0.9  # of its patience: the clock that measured it is not the one that is read here
WINDOW_S = 10.0
SHORTEST_S = 0.1


class Backend(Protocol):
    """What is told of a backend. The counts only grow; `fault` is the code of what an operator has to mend, "" for
    nothing."""

    @property
    def name(self) -> str: ...

    @property
    def state(self) -> State: ...

    @property
    def refused_count(self) -> int: ...

    @property
    def opened_count(self) -> int: ...

    @property
    def fault(self) -> str: ...


class Turn(NamedTuple):
    """A call that was let through: its number, and when."""

    call: int
    began_at: float


class Guard:
    """The breaker of the backend `name`. `patience_s` is what one call waits; `code` is told to those it refuses."""

    def __init__(
        self,
        name: str,
        *,
        patience_s: float,
        code: str = "STORE_AWAY",
        failures: int = FAILURES,
        open_s: float = OPEN_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.refused_count = 0
        self.opened_count = 0
        self.fault = ""
        self._patience_s = patience_s
        self._code = code
        self._monotonic = monotonic
        self._breaker = Breaker(
            failures=failures,
            ratio=2.0,  # never: what answers now and then is slow, not away
            min_calls=failures,
            window_s=WINDOW_S,
            open_s=open_s,
            probes=1,
            patience_s=2 * patience_s,
        )

    @property
    def state(self) -> State:
        """What a call would meet now."""
        return self._breaker.state(self._monotonic())

    def enter(self) -> Turn:
        """Let a call through, which ends in one of the verbs below; Unavailable, with a hint, while it must not."""
        now = self._monotonic()
        call = self._breaker.admit(now)
        if not call:
            raise self._refused(now)
        return Turn(call, now)

    def refusal(self) -> Unavailable | None:
        """What a call that came now would be told, for those who would only queue; None when it may come."""
        if self._breaker.is_closed:
            return None
        now = self._monotonic()
        return self._refused(now) if self._breaker.retry_after_s(now) > 0 else None

    def answered(self, turn: Turn) -> None:
        """The backend said something."""
        was_closed = self._breaker.is_closed
        self._breaker.succeeded(turn.call, self._monotonic())
        if not was_closed and self._breaker.is_closed:
            _log.warning("%s answers again", self.name)

    def silent(self, turn: Turn) -> None:
        """It could not be reached."""
        was_closed = self._breaker.is_closed
        self._breaker.failed(turn.call, self._monotonic())
        if was_closed and not self._breaker.is_closed:
            self.opened_count += 1
            _log.warning("%s is away: its callers are refused at once until it answers", self.name)

    def given_up(self, turn: Turn, *, patience_s: float | None = None) -> None:
        """The caller left: because it had waited for as long as it could, or for reasons of its own."""
        wanted_s = self._patience_s if patience_s is None else patience_s
        if self._monotonic() - turn.began_at >= NEARLY * wanted_s:
            self.silent(turn)
        else:
            self.lost(turn)

    def lost(self, turn: Turn) -> None:
        """The connection ended in the middle, or nobody can tell."""
        self._breaker.abandoned(turn.call, self._monotonic())

    def _refused(self, now: float) -> Unavailable:
        self.refused_count += 1
        after_s = max(self._breaker.retry_after_s(now), SHORTEST_S)
        return Unavailable(f"{self.name} is away and is tried again soon", code=self._code, retry_after_s=after_s)


class Watched:
    """The same for a backend whose connection keeps watch by itself: it is closed while the connection stands."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state: State = "closed"
        self.refused_count = 0
        self.opened_count = 0
        self.fault = ""

    def cut(self) -> None:
        """The connection is gone; it is being made again."""
        self.state = "open"
        self.opened_count += 1

    def stands(self) -> None:
        """It answers."""
        self.state = "closed"
        self.fault = ""
