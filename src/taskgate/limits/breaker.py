"""A circuit breaker: an upstream that fails is left alone for a while, then tried with a few calls.

Pure: it is given monotonic seconds and keeps none of its own. One breaker stands for one upstream.

States, and who moves them:

    closed ──too many failures──▶ open ──open_s have passed──▶ half open ──`probes` calls went well──▶ closed
                                   ▲                              │
                                   └───────one probe failed───────┘

- closed: every call is admitted. It opens at the moment of a failure that is the `failures`-th in a row, or that
  makes failures at least `ratio` of at least `min_calls` outcomes within `window_s`.
- open: no call is admitted until `open_s` have passed since the failure that opened it.
- half open: begins by itself, with the first question after that. At most `probes` calls are admitted; they are the
  probes. All of them well: closed, and everything counted so far is forgotten. One failed: open again, from then.

Every admitted call has a number, growing from 1, and ends in exactly one of `succeeded`, `failed` and `abandoned`
(the caller left, or nobody can tell whose fault it was). What decides between races:

- A call that was admitted before an opening ends after it: its number is not above the one at which the breaker
  opened, so it counts for nothing, neither in the half-open phase nor in a closed one that follows.
- A probe that was abandoned gives its place to the next call. A probe of which nothing was heard for `patience_s`
  (`open_s`, where none is set) loses its place in the same way (its late outcome counts for nothing), so that a call
  whose end was lost cannot keep an upstream shut for ever.
- Probes of one phase that end after another of them failed belong to a phase that is over: they count for nothing.
- An outcome that is told twice counts once in the half-open phase; in the closed one the caller is believed.
- Time that steps back opens and closes nothing earlier than it would have been.

`failures` 0 switches it off: it admits everything and never opens. Memory is constant: ten slots of counts
(`window.py`) and at most `probes` numbers.
"""

from __future__ import annotations

from typing import Literal

from taskgate.limits.window import Tally

State = Literal["closed", "open", "half_open"]
FULL_RETRY_S = 1.0


class Breaker:
    """The breaker of one upstream. Only `admit` and an outcome change it."""

    __slots__ = (
        "_calls",
        "_failures",
        "_is_closed",
        "_min_calls",
        "_open_s",
        "_opens_until",
        "_patience_s",
        "_probes",
        "_probing",
        "_ratio",
        "_since",
        "_streak",
        "_tally",
        "_well",
    )

    def __init__(
        self,
        *,
        failures: int,
        ratio: float,
        min_calls: int,
        window_s: float,
        open_s: float,
        probes: int,
        patience_s: float | None = None,
    ) -> None:
        self._failures = failures
        self._ratio = ratio
        self._min_calls = min_calls
        self._open_s = open_s
        self._patience_s = open_s if patience_s is None else patience_s
        self._probes = max(1, probes)
        self._tally = Tally(window_s)
        self._calls = 0
        self._since = 0
        self._streak = 0
        self._is_closed = True
        self._opens_until = 0.0
        self._probing: dict[int, float] = {}
        self._well = 0

    @property
    def is_closed(self) -> bool:
        """Whether every call is admitted."""
        return self._is_closed

    def admit(self, now: float) -> int:
        """The number of this call, which may go to the upstream; 0 when it must not."""
        if self._is_closed or self._admits_probe(now):
            self._calls += 1
            if not self._is_closed:
                self._probing[self._calls] = now
            return self._calls
        return 0

    def succeeded(self, call: int, now: float) -> None:
        """The upstream answered this call, and well enough."""
        if self._is_closed:
            if call > self._since:
                tally = self._tally
                if now >= tally.ends:
                    tally.roll(now)
                tally.good += 1
                self._streak = 0
        elif self._probing.pop(call, None) is not None:
            self._well += 1
            if self._well >= self._probes:
                self._close()

    def failed(self, call: int, now: float) -> None:
        """This call failed by the fault of the upstream."""
        if self._is_closed:
            if call > self._since and self._failures:
                self._count_failure(now)
        elif self._probing.pop(call, None) is not None:
            self._open(now)

    def abandoned(self, call: int, now: float) -> None:
        """Nobody can tell whether this call was good: it counts for nothing and gives its place back."""
        self._probing.pop(call, None)

    def retry_after_s(self, now: float) -> float:
        """Seconds after which asking again makes sense; 0 when a call would be admitted now."""
        if self._is_closed or self._has_place(now):
            return 0.0
        return max(self._opens_until - now, 0.0) or FULL_RETRY_S

    def state(self, now: float) -> State:
        """The state that a call would meet now."""
        if self._is_closed:
            return "closed"
        return "open" if now < self._opens_until else "half_open"

    def _count_failure(self, now: float) -> None:
        self._streak += 1
        tally = self._tally
        if now >= tally.ends:
            tally.roll(now)
        tally.bad += 1
        good, bad = tally.sums(now)
        if self._streak >= self._failures or (good + bad >= self._min_calls and bad >= self._ratio * (good + bad)):
            self._open(now)

    def _open(self, now: float) -> None:
        self._is_closed = False
        self._opens_until = now + self._open_s
        self._begin()

    def _close(self) -> None:
        self._is_closed = True
        self._begin()

    def _begin(self) -> None:
        """A new phase: what was counted, and every call under way, belongs to the one before."""
        self._since = self._calls
        self._streak = 0
        self._tally.clear()
        self._probing.clear()
        self._well = 0

    def _has_place(self, now: float) -> bool:
        if now < self._opens_until:
            return False
        lost_before = now - self._patience_s
        lost_count = sum(started <= lost_before for started in self._probing.values())
        return len(self._probing) - lost_count + self._well < self._probes

    def _admits_probe(self, now: float) -> bool:
        if not self._has_place(now):
            return False
        lost_before = now - self._patience_s
        for call in [call for call, started in self._probing.items() if started <= lost_before]:
            del self._probing[call]
        return True
