"""When a request is made again, and when it is given up.

Repeated are: a request that never left, 429 always (it was not taken); an answer that got lost, 502, 503 and
504 only where doing it twice does no more than once. Pauses grow with full jitter; `Retry-After` is a floor, and
when it lies beyond the time that is left the error is raised at once. Everything is bounded by a total time.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from taskgate.client.problems import error_of, lost_error, retry_after_s
from taskgate.client.steps import Answer, Lost, Pause, Plan, Request, Send
from taskgate.clock import Clock, SystemClock
from taskgate.errors import Limited, TaskgateError, Unavailable
from taskgate.status import row_of

_LIMITED = row_of(Limited).http
_AWAY = frozenset({row_of(Unavailable).http, 502, 504})  # the latter two are said by proxies in front of a gateway


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a caller puts up with a gateway that is away.

    total_s: how long one call goes on being repeated. Following a journal and waiting for runs start anew with
        every sign of life, since both may last for days.
    answer_s: how long the gateway may stay silent after a request; connect_s: how long a connection may take.
    """

    total_s: float = 60.0
    answer_s: float = 30.0
    connect_s: float = 5.0
    first_pause_s: float = 0.25
    longest_pause_s: float = 10.0
    clock: Clock = field(default_factory=SystemClock, repr=False)
    fraction: Callable[[], float] = field(default=random.random, repr=False)

    def pause_s(self, failure_count: int, floor_s: float = 0.0) -> float:
        """Seconds before the next try: full jitter over a doubling window, on top of what the gateway asked for."""
        window_s = min(self.longest_pause_s, self.first_pause_s * 2.0 ** min(failure_count, 20))
        if floor_s:
            window_s = min(window_s, max(1.0, floor_s / 10))
        return floor_s + self.fraction() * window_s


class Attempts:
    """The failures of one call so far: says after each whether there will be another try."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self.failure_count = 0
        self.alive()

    def alive(self) -> None:
        """The gateway gave a sign of life: its time counts from here."""
        self._ends_at = self._patience.clock.monotonic() + self._patience.total_s

    def after(self, reply: Answer | Lost, *, repeatable: bool) -> float:
        """Seconds to pause before trying again; raises the reply's error when it is not to be tried again."""
        patience = self._patience
        floor_s = 0.0
        if isinstance(reply, Answer):
            floor_s = retry_after_s(reply, patience.clock.now()) or 0.0
        pause_s = patience.pause_s(self.failure_count, floor_s)
        self.failure_count += 1
        out_of_time = patience.clock.monotonic() + pause_s > self._ends_at
        if out_of_time or not _may_repeat(reply, repeatable=repeatable):
            raise self.error(reply)
        return pause_s

    def error(self, reply: Answer | Lost) -> TaskgateError:
        """What the reply stands for."""
        return lost_error(reply) if isinstance(reply, Lost) else error_of(reply, self._patience.clock.now())


def exchange(request: Request, patience: Patience, *, attempts: Attempts | None = None) -> Plan[Answer]:
    """The first good answer; raises the error of the last one. `attempts` counts the failures for who wants to know."""
    attempts = attempts or Attempts(patience)
    while True:
        reply: Answer | Lost = yield Send(request)
        if isinstance(reply, Answer) and reply.status < 300:
            return reply
        yield Pause(attempts.after(reply, repeatable=request.repeatable))


def _may_repeat(reply: Answer | Lost, *, repeatable: bool) -> bool:
    if isinstance(reply, Lost):
        return not reply.is_final and (repeatable or not reply.is_sent)
    return reply.status == _LIMITED or (reply.status in _AWAY and repeatable)
