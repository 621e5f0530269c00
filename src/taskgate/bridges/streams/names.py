"""The scheduler's keys, and the few that the bridge keeps beside them. Pure.

The bridge is one consumer, by a name that does not change, of the group that the scheduler's own workers form. So a
successor finds what its predecessor had read and not acknowledged, and both kinds of workers may run side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

DUTY = "streams-bridge"
CONSUMER = "taskgate"
CONTROL_GROUP = "taskgate"  # a group of our own: everybody must hear every order


@dataclass(frozen=True, slots=True)
class Names:
    """Keys under one namespace."""

    namespace: str

    @property
    def group(self) -> str:
        """The consumer group of the ready streams."""
        return f"{self.namespace}-workers"

    @property
    def results(self) -> str:
        """Where results are put."""
        return f"{self.namespace}:task:result"

    def ready(self, worker: str) -> str:
        """The stream of a worker's tasks; `*` gives the pattern of all."""
        return f"{self.namespace}:task:ready:{worker}"

    def orders(self, worker: str) -> str:
        """The stream of orders to a worker; `*` gives the pattern of all, `global` is for everybody."""
        return f"{self.namespace}:control:{worker}"

    def logs(self, order_id: str) -> str:
        """The stream of a run's log lines; `order_id` is the scheduler's own id of the run."""
        return f"{self.namespace}:log:stream:{order_id}"

    def own(self, what: str) -> str:
        """A key of the bridge: `open` (runs without a result there), `logs` (runs whose log goes on), `by_order`,
        `cancelled` (orders, by the moment of their cancel)."""
        return f"{self.namespace}:taskgate:{what}"

    def done(self, run_id: str) -> str:
        """Marks a run whose result is back."""
        return f"{self.namespace}:taskgate:done:{run_id}"


def dead_letters(stream: str) -> str:
    """The stream of a stream's dead letters."""
    return f"{stream}:dead_letter"


def is_dead_letters(stream: str) -> bool:
    """Whether a key that fits the pattern of ready streams is no ready stream."""
    return stream.endswith(":dead_letter")
