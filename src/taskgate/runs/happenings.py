"""What can happen to a run, as values; `lifecycle` says what each of them means."""

from __future__ import annotations

from dataclasses import dataclass

from taskgate.runs.run import RunError


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """The holder's answer; `digest` names it, so that the same answer again is known."""

    output: bytes
    digest: str
    started_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The holder could not do it; `response` is what it answered, where there is any."""

    error: RunError
    response: bytes | None = None
    started_at: float | None = None
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseExpired:
    """Nobody renewed the lease in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderLost:
    """The holder is gone for good; `begun` says whether it had accepted the run, `started_at` when."""

    reason: str
    begun: bool = True
    started_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The holder gave the offer back."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAsked:
    """A caller wants it to end now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerPassed:
    """One of the run's timers is due; which one, the run itself says."""


@dataclass(frozen=True, slots=True)
class Stale:
    """The event means nothing to the run as it is; `is_repeat`: it is the very result that the run ended with."""

    reason: str
    is_repeat: bool = False


Event = Succeeded | Failed | LeaseExpired | HolderLost | Refused | CancelAsked | TimerPassed
