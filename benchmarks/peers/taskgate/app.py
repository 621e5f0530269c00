"""The tasks of the measurements: one that does nothing, one that talks."""

import time
from typing import Any

from taskgate import Context, task


@task(name="noop")
def noop(value: dict[str, Any]) -> dict[str, Any]:
    """Gives back what it got."""
    return value


@task(name="talk")
def talk(count: int, begin_at: float, *, context: Context) -> float:
    """Waits for `begin_at` (epoch seconds), then logs `count` lines as fast as it can; returns the seconds it took."""
    time.sleep(max(0.0, begin_at - time.time()))
    begun = time.perf_counter()
    for number in range(1, count + 1):
        context.log(f"line {number} of a task that has a lot to say about very little")
    return time.perf_counter() - begun
