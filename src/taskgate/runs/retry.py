"""How long to wait before a retry.

Full jitter: a uniform pick between zero and an exponentially growing bound, so that runs that failed together
do not come back together (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
"""

from __future__ import annotations

from random import Random

from taskgate.runs.task import Target


def bound_s(target: Target, tries: int) -> float:
    """The longest pause, in seconds, after `tries` tries (at least 1) on this target."""
    return min(target.backoff_max_s, target.backoff_s * 2.0 ** min(max(tries, 1) - 1, 60))


def delay_s(target: Target, tries: int, rng: Random) -> float:
    """The pause before the next try, in seconds, within 0..`bound_s`."""
    return rng.uniform(0.0, bound_s(target, tries))
