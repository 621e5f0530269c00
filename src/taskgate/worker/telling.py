"""What a pool of task processes tells its owner.

The pool knows its owner by this protocol alone and never touches the link: what a word means to the gateway is
decided by whoever is told.
"""

from __future__ import annotations

from typing import Protocol

from taskgate.worker.answers import Answer
from taskgate.worker.assignment import Assignment
from taskgate.worker.frames import Progressed


class PoolOwner(Protocol):
    """Whom the pool tells. Called on the event loop; must not wait."""

    def begun(self, assignment: Assignment) -> bool:
        """The run has really begun. False: it must not go on, somebody else has it."""
        ...

    def said(self, assignment: Assignment, stream: int, *, level: str, at: float, lines: list[str]) -> None: ...

    def progressed(self, assignment: Assignment, progressed: Progressed) -> None: ...

    def ended(self, assignment: Assignment, answer: Answer, *, started_at: float, ended_at: float) -> None: ...

    def stopped(self, assignment: Assignment) -> None:
        """Nothing of a run that we were told to stop is left."""
        ...

    def refused(self, assignment: Assignment, reason: str) -> None: ...

    def changed(self) -> None:
        """Something was settled, or the capacity is another."""
        ...


class Nobody:
    """An owner that wants to know nothing."""

    def begun(self, assignment: Assignment) -> bool:
        return True

    def said(self, assignment: Assignment, stream: int, *, level: str, at: float, lines: list[str]) -> None: ...

    def progressed(self, assignment: Assignment, progressed: Progressed) -> None: ...

    def ended(self, assignment: Assignment, answer: Answer, *, started_at: float, ended_at: float) -> None: ...

    def stopped(self, assignment: Assignment) -> None: ...

    def refused(self, assignment: Assignment, reason: str) -> None: ...

    def changed(self) -> None: ...
