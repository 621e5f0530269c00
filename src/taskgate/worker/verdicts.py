"""What the author of a task may raise to say more than "it failed".

Any other exception fails the attempt and leaves it to the gateway's retry policy whether there is another
one. `RunStopped` is not for authors to raise: the task process raises it inside a task that must end now,
so that `finally` blocks still run.
"""

from __future__ import annotations


class Retry(Exception):
    """Try this run again; not before `after_s` seconds from now (absent: when the gateway's backoff says)."""

    def __init__(self, detail: str = "", *, after_s: float | None = None) -> None:
        super().__init__(detail)
        self.after_s = after_s


class NonRetryable(Exception):
    """This input will never succeed here: no further try on this target."""


class RunStopped(BaseException):
    """The run is cancelled or out of time. Clean up and let it pass."""
