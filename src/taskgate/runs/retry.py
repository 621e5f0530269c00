"""How long to wait before a retry.

Full jitter: a uniform pick between zero and an exponentially growing bound, so that runs that failed together
do not come back together (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
A moment that the task itself asks for goes before the jitter, but not beyond a year.
"""

from __future__ import annotations

from random import Random

from taskgate.runs.task import Target

LONGEST_S = 366 * 86_400.0


def bound_s(target: Target, tries: int) -> float:
    """The longest pause, in seconds, after `tries` tries (at least 1) on this target."""
    return min(target.backoff_max_s, target.backoff_s * 2.0 ** min(max(tries, 1) - 1, 60))


def pause_s(target: Target, tries: int, *, retry_at: float | None, now: float, rng: Random) -> float:
    """Seconds until the next try: until `retry_at` where the task gave one, else jittered within 0..`bound_s`."""
    if retry_at is None:
        return rng.uniform(0.0, bound_s(target, tries))
    return min(max(0.0, retry_at - now), LONGEST_S)
