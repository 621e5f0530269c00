"""What a run object knows without asking: the state it was last told.

Shared by both clients' run objects, so that they cannot differ.
"""

from __future__ import annotations

from typing import Any

import msgspec

from taskgate.client.shapes import AttemptState, Failure, RunState, RunStatus


class RunView:
    """The last known state of a run. `status` does not change by itself: `wait` and `follow` bring news.

    (Reading an attribute never asks the gateway.)
    """

    def __init__(self, state: RunState, *, is_whole: bool = False) -> None:
        self._state = state
        self._is_whole = is_whole

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.task} {self.status}>"

    @property
    def id(self) -> str:
        return self._state.id

    @property
    def task(self) -> str:
        return self._state.task

    @property
    def status(self) -> RunStatus:
        return self._state.status

    @property
    def is_ended(self) -> bool:
        return self._state.is_ended

    @property
    def state(self) -> RunState:
        """Everything that was last told: times, labels, tenant, error."""
        return self._state

    @property
    def input(self) -> Any:
        """The input's value."""
        return msgspec.json.decode(self._state.input)

    @property
    def error(self) -> Failure | None:
        """Why it did not succeed."""
        return self._state.error

    @property
    def attempts(self) -> list[AttemptState]:
        """Every try so far, oldest first."""
        return self._state.attempts

    @property
    def labels(self) -> dict[str, str]:
        return self._state.labels

    def _learn(self, state: RunState) -> None:
        self._state = state
        self._is_whole = True

    def _needs_asking(self) -> bool:
        return not (self._is_whole and self.is_ended)
