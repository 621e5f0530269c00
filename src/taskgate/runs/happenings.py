"""What can happen to a run, as values.

`lifecycle` says which of them means something in which state, `deciding` what it makes of the run.
"""

from __future__ import annotations

from msgspec import Struct

from taskgate.runs.run import RunError


class Succeeded(Struct, frozen=True, kw_only=True):
    """The holder's answer; `digest` names it, so that the same answer again is known."""

    output: bytes
    digest: str
    started_at: float | None = None


class Failed(Struct, frozen=True, kw_only=True):
    """The holder could not do it; `response` is what it answered, where there is any."""

    error: RunError
    response: bytes | None = None
    started_at: float | None = None
    digest: str = ""


class LeaseExpired(Struct, frozen=True, kw_only=True):
    """Nobody renewed the lease in time."""


class HolderLost(Struct, frozen=True, kw_only=True):
    """The holder is gone for good; `begun` says whether it had accepted the run, `started_at` when."""

    reason: str
    begun: bool = True
    started_at: float | None = None


class Refused(Struct, frozen=True, kw_only=True):
    """The holder gave the offer back."""

    reason: str


class CancelAsked(Struct, frozen=True, kw_only=True):
    """A caller wants it to end now."""


class TimerPassed(Struct, frozen=True, kw_only=True):
    """One of the run's timers is due; which one, the run itself says."""


class Undefined(Struct, frozen=True, kw_only=True):
    """The definition that the run was accepted under is lost: nobody can say what may become of it."""


class Stale(Struct, frozen=True):
    """The event means nothing to the run as it is; `is_repeat`: it is the very result that the run ended with."""

    reason: str
    is_repeat: bool = False


Event = Succeeded | Failed | LeaseExpired | HolderLost | Refused | CancelAsked | TimerPassed | Undefined
