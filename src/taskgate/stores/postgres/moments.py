"""What time it is for a statement: the database's own clock, so that gateways need not agree on theirs.

Every statement that needs the time takes it as `$1` and reads it as `{now}` (`sql/now.sql`): NULL, and the server's
`clock_timestamp()` counts. Under test the parameter is the moment of the test's own clock, so that a lease expires
when the test says so, to the last digit.
"""

from __future__ import annotations

from collections.abc import Callable

from taskgate.clock import Clock, SystemClock

Moment = Callable[[], float | None]


def moment_of(clock: Clock) -> Moment:
    """Gives the parameter `$1`: always None beside the system's clock, the clock's own `now` beside any other."""
    return _of_the_server if isinstance(clock, SystemClock) else clock.now


def _of_the_server() -> None:
    return None
