"""Which subjects are followed at other gateways, so that nobody publishes what nobody reads. Pure.

A follower says so when it begins and again every few seconds; who says it no more is forgotten. What was committed
before the news of a follower came is not sent to it: so of every subject that was not followed it is remembered, for
a while, that something was committed, and a follower that comes then is told to read the store.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

MAX_SILENT = 10_000


class Follows:
    """What others follow, by monotonic seconds; `keep_s` after it was said last it is forgotten."""

    def __init__(self, *, keep_s: float) -> None:
        self._keep_s = keep_s
        self._until: dict[str, float] = {}
        self._silent: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def wants(self, subject: str, now: float) -> bool:
        """Whether a page committed now has to be sent."""
        if self._until.get(subject, 0.0) > now:
            return True
        self._until.pop(subject, None)
        self._silent[subject] = now
        self._silent.move_to_end(subject)
        if len(self._silent) > MAX_SILENT:
            self._silent.popitem(last=False)
        return False

    def said(self, subjects: Iterable[str], now: float) -> list[str]:
        """These are followed elsewhere. Returns those of whose pages the follower may have missed some."""
        missed: list[str] = []
        for subject in subjects:
            if self._silent.pop(subject, 0.0) > now - self._keep_s:
                missed.append(subject)
            self._until[subject] = now + self._keep_s
        return missed

    def forget(self, now: float) -> None:
        """Let go of what nobody has spoken of for long."""
        self._until = {subject: until for subject, until in self._until.items() if until > now}
        while self._silent and next(iter(self._silent.values())) <= now - self._keep_s:
            self._silent.popitem(last=False)
