"""What the doors for workers count: plain integers, read by telemetry.

A round trip is from an offer's going out to its acceptance's coming in, over one link.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable

from taskgate.histogram import Histogram

OPEN_OFFERS = 4096
REASONS = frozenset({"busy", "unknown_task", "draining", "schema"})


class LinkCounters:
    """Numbers of all links since the process began; round trips by transport."""

    def __init__(self) -> None:
        self.round_trips: dict[str, Histogram] = {}
        self.refused: Counter[str] = Counter()

    def count_refused(self, reasons: Iterable[str]) -> None:
        """Offers came back; a reason that the link does not know is `other`."""
        self.refused.update(reason if reason in REASONS else "other" for reason in reasons)


class RoundTrips:
    """The open offers of one link; the oldest is forgotten where a worker answers none."""

    def __init__(self, counters: LinkCounters, transport: str) -> None:
        self._histogram = counters.round_trips.setdefault(transport, Histogram())
        self._open: OrderedDict[tuple[str, int], float] = OrderedDict()

    def offered(self, run_id: str, attempt: int, *, now: float) -> None:
        """An offer goes out."""
        self._open[run_id, attempt] = now
        if len(self._open) > OPEN_OFFERS:
            self._open.popitem(last=False)

    def accepted(self, run_id: str, attempt: int, *, now: float) -> None:
        """Its acceptance came in."""
        began = self._open.pop((run_id, attempt), None)
        if began is not None:
            self._histogram.took(now - began)
