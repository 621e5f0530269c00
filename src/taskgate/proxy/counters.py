"""What the data plane counts: plain integers, read by telemetry and by whoever asks how a service does.

Counting is adding to a number; nothing here is locked, published or formatted. One set for every route.
"""

from __future__ import annotations

from bisect import bisect_left

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class RouteCounters:
    """Numbers of one route since the process began. `classes[n]` are answers with status nxx, `classes[0]` callers
    that left or were cut off; `seconds[i]` are calls that took at most `BOUNDS_S[i]`, the last all longer ones."""

    __slots__ = (
        "active", "bytes_in", "bytes_out", "classes", "fallbacks", "method", "path", "refused", "requests", "retries",
        "seconds", "seconds_sum", "service",
    )  # fmt: skip

    def __init__(self, *, service: str, method: str, path: str) -> None:
        self.service = service
        self.method = method
        self.path = path
        self.requests = 0
        self.active = 0
        self.refused = 0
        self.retries = 0
        self.fallbacks = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.classes = [0] * 6
        self.seconds = [0] * (len(BOUNDS_S) + 1)
        self.seconds_sum = 0.0

    def ended(self, status: int, seconds: float) -> None:
        """A call is over: the status its caller was answered, 0 for a cut."""
        self.active -= 1
        self.classes[status // 100] += 1
        self.seconds[bisect_left(BOUNDS_S, seconds)] += 1
        self.seconds_sum += seconds
