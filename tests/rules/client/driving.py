"""Plays the outside for a plan: takes its steps, gives prepared replies, moves a clock instead of sleeping."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from taskgate.client.retries import Patience
from taskgate.client.steps import Answer, Emit, Lost, Open, Pause, Plan, Read, Request, Send


@dataclass
class StillClock:
    """A clock that only moves when told to."""

    at: float = 1000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


@dataclass
class Played:
    """What a plan did: requests, pauses, emitted items, and its result or error."""

    requests: list[Request] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    items: list[Any] = field(default_factory=list)
    result: Any = None
    error: Exception | None = None


def patience(clock: StillClock, **members: Any) -> Patience:
    """Patience with a still clock and the longest possible pauses."""
    return Patience(clock=clock, fraction=lambda: 1.0, **members)


def play(plan: Plan[Any], replies: Iterable[Answer | Lost | bytes], clock: StillClock) -> Played:
    """Run the plan to its end against the replies; running out of replies is a mistake of the test."""
    played, left = Played(), iter(replies)
    reply: Any = None
    while True:
        try:
            step = plan.send(reply)
        except StopIteration as end:
            played.result = end.value
            return played
        except Exception as error:
            played.error = error
            return played
        reply = None
        match step:
            case Send(request) | Open(request):
                played.requests.append(request)
                reply = next(left)
            case Read():
                reply = next(left)
            case Pause(seconds):
                played.pauses.append(seconds)
                clock.at += seconds
            case Emit(item):
                played.items.append(item)


def answer(content: Any = None, status: int = 200, **headers: str) -> Answer:
    """An answer with a JSON body; header names with underscores for hyphens."""
    told = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status=status, headers=told, body=msgspec.json.encode(content))


def run(run_id: str = "run-1", status: str = "queued", **members: Any) -> dict[str, Any]:
    """A run as the gateway tells it."""
    return {"id": run_id, "task": "t", "status": status, **members}
