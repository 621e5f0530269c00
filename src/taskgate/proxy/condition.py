"""How the calls to one upstream went lately.

For people to look at: nothing is decided by it, breakers count apart.
"""

from __future__ import annotations


class Condition:
    """`failures` in a row up to this moment, and what the last of all failures was."""

    __slots__ = ("failures", "last_error")

    def __init__(self) -> None:
        self.failures = 0
        self.last_error = ""

    def note(self, *, well: bool, why: str = "") -> None:
        """A call has ended; `why` says what was wrong with it."""
        if well:
            self.failures = 0
        else:
            self.failures += 1
            self.last_error = why
