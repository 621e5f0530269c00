"""What a plan may ask of the outside, and what comes back. Nothing here touches a socket.

A plan is a generator: it yields a step, is sent the step's reply, and returns the verb's result.

    Send(request)   → Answer | Lost      one exchange, whole
    Open(request)   → Answer | Lost      begin a stream; the answer's body is there only when its status is not 200
    Read()          → bytes | Lost       the next piece of the open stream; b"" at its end
    Pause(seconds)  → None
    Emit(item)      → None               hand an item to whoever iterates

A shell performs steps and decides nothing; plans decide and perform nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request, relative to the gateway's URL. `repeatable`: doing it twice does no more than once.

    `answer_s` is how long the gateway may stay silent (None: as long as the caller puts up with).
    `headers` never hold the credential; a shell adds it.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    repeatable: bool = True
    answer_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the gateway said; header names in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """No answer, or only a part of one. `is_sent` is False when the request surely never reached the gateway,
    `is_final` True when trying again cannot help (a certificate that is not trusted)."""

    reason: str
    is_sent: bool = True
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    request: Request


@dataclass(frozen=True, slots=True)
class Open:
    request: Request


@dataclass(frozen=True, slots=True)
class Read:
    pass


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True)
class Emit:
    item: Any


Step: TypeAlias = Send | Open | Read | Pause | Emit
Plan: TypeAlias = Generator[Step, Any, T]
