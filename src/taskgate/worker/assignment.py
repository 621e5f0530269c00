"""A run that is here, from its offer to its end, as the pool and the link process know it.

`begun_at` is None while it waits, here or in line inside a task process. `ending` says that we decided its end
(`timeout`, `memory`, `cancelled`, `lost`, `fence`); whatever the task process still says of it then is too late.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from taskgate.wire.messages import Task
from taskgate.worker.frames import STREAMS


@dataclass(slots=True, eq=False)
class Assignment:
    """One offered run. Moments are monotonic seconds."""

    task: Task
    payload: bytes
    received_at: float
    max_output_bytes: int
    max_log_bytes: int
    traceparent: str = ""
    number: int = 0
    expected_s: float = 0.0
    begun_at: float | None = None
    is_announced: bool = False
    ending: str = ""
    timeout_s: float | None = None
    memory_bytes: int | None = None
    log_bytes: int = 0
    dropped_count: int = 0
    dropped_bytes: int = 0
    progress_seq: int = 0
    log_seqs: list[int] = field(default_factory=lambda: [0] * len(STREAMS))

    @property
    def key(self) -> tuple[str, int]:
        """(run id, attempt)."""
        return self.task.run_id, self.task.attempt

    @property
    def log_count(self) -> int:
        """Log entries said so far, over all streams."""
        return sum(self.log_seqs)
