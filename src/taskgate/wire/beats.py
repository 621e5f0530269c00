"""The worker's heartbeats: when the next is due, and what an answer proves.

A nonce is never used twice and belongs to one connection; the answer to it proves that both directions of
that very stream live, and dates everything in it from the moment the question was sent.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

KEPT = 16  # questions that an answer is still understood for
JITTER = 0.2  # each interval is drawn from heartbeat_s ± 20 %, so that a fleet does not beat in step


class Beats:
    """Heartbeats over any number of connections."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._count = 0
        self._interval_s = inf
        self._sent: dict[str, float] = {}
        self.due_at = inf
        self.proved_at = 0.0

    def connect(self, now: float) -> None:
        """A new stream: nothing is proved on it yet, and no old nonce counts."""
        self._sent.clear()
        self.due_at = inf
        self.proved_at = now

    def welcome(self, interval_s: float, now: float) -> None:
        """The gateway has spoken, and wants a beat about every `interval_s`."""
        self._interval_s = interval_s
        self.proved_at = now
        self._plan(now)

    def next(self, now: float) -> str:
        """The nonce of a beat that is sent now."""
        self._count += 1
        nonce = str(self._count)
        self._sent[nonce] = now
        while len(self._sent) > KEPT:
            del self._sent[next(iter(self._sent))]
        self._plan(now)
        return nonce

    def answered(self, nonce: str, now: float) -> float | None:
        """When the answered beat was sent; None for a nonce that is not of this stream, which proves nothing."""
        sent_at = self._sent.get(nonce)
        if sent_at is not None:
            self.proved_at = now
        return sent_at

    def _plan(self, now: float) -> None:
        self.due_at = now + self._interval_s * (1.0 - JITTER + 2.0 * JITTER * self._chance())
