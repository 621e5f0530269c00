"""How long a worker waits before it connects again: full jitter, for ever, kind to a gateway that restarts.

A thousand workers that lost the same gateway must not come back in the same moment; so the wait is drawn
evenly from zero to a limit that doubles (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
"""

from __future__ import annotations

FIRST_S = 0.5
LAST_S = 30.0


def reconnect_delay_s(failure_count: int, chance: float, *, hint_s: float = 0.0) -> float:
    """Seconds to wait after `failure_count` failures in a row; `chance` in 0..1 is drawn by the caller.

    `hint_s` is the delay that the gateway asked for: waited in full, with the jitter on top.
    """
    limit_s = min(LAST_S, FIRST_S * 2.0 ** min(max(failure_count, 0), 16))
    return max(hint_s, 0.0) + limit_s * chance
