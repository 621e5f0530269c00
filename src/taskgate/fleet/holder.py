"""One connected worker as the gateway sees it: what it can do, how many offers it will take, what it holds.

`credit` is cumulative like a QUIC stream limit: the total number of offers that may have been made since
this connection's hello. `offered_count` grows with every offer, so `free` needs no message to shrink and a
repeated `ready` changes nothing. A holder lives as long as its connection; leases outlive it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol

from taskgate.wire.messages import Load, Task

STRIKES_OUT = 3
Labels = tuple[tuple[str, str], ...]


class Seat(Protocol):
    """The way to a connected worker; every verb queues a message and returns at once."""

    def offer(self, task: Task) -> None: ...

    def cancel(self, run_id: str, attempt: int, *, reason: str) -> None: ...

    def drain(self, *, reason: str, reconnect: bool, delay_s: float) -> None: ...

    def close(self, code: int, reason: str) -> None: ...


class Holder:
    """A connected worker. Mutable, owned by the fleet, touched only from the gateway's event loop.

    `target` is the kind of target whose runs it takes. One that is not `workers` is a part of this gateway: it has no
    record in the roster and is no worker in any list.
    """

    def __init__(
        self,
        worker_id: str,
        seat: Seat,
        *,
        instance: str,
        site_id: str | None,
        key_id: str,
        token_id: str = "",
        lineage: tuple[str, ...] = (),
        transport: str,
        tasks: Mapping[str, frozenset[str]],
        labels: Mapping[str, str],
        slots: int,
        now: float,
        metadata: Mapping[str, Any] | None = None,
        target: str = "workers",
    ) -> None:
        self.id = worker_id
        self.seat = seat
        self.instance = instance
        self.site_id = site_id
        self.key_id = key_id
        self.token_id = token_id
        self.lineage = lineage
        self.transport = transport
        self.target = target
        self.tasks = dict(tasks)
        self.labels = dict(labels)
        self.slots = slots
        self.metadata = dict(metadata or {})
        self.credit = 0
        self.offered_count = 0
        self.held: dict[str, int] = {}
        self.load = Load()
        self.draining = False
        self.connected_at = now
        self.last_heartbeat_at = now
        self._strikes: dict[str, int] = {}

    @property
    def free(self) -> int:
        """How many offers the worker will take right now."""
        return 0 if self.draining else self.credit - self.offered_count

    @property
    def running(self) -> int:
        """How many runs it holds."""
        return len(self.held)

    @cached_property
    def offered(self) -> dict[str, list[str]]:
        """Its tasks as lists name them."""
        return {task: sorted(versions) for task, versions in self.tasks.items()}

    @property
    def set_aside(self) -> list[str]:
        """The tasks that it is offered no more."""
        return [task for task in self.tasks if not self.can_do(task)] if self._strikes else []

    def can_do(self, task: str, *, version: str = "", labels: Labels = ()) -> bool:
        """Whether the worker offers this task in this version ("" = any) and has every required label."""
        versions = self.tasks.get(task)
        if versions is None or self._strikes.get(task, 0) >= STRIKES_OUT:
            return False
        if version and version not in versions:
            return False
        return all(self.labels.get(key) == value for key, value in labels)

    def serves(self, site_id: str) -> bool:
        """Whether this worker may take runs of that site; `site_id` None on the holder means every site."""
        return self.site_id is None or self.site_id == site_id

    def withdraw(self, task: str) -> None:
        """It has said that it does not know this task."""
        self.tasks.pop(task, None)
        self.__dict__.pop("offered", None)

    def strike(self, task: str) -> bool:
        """Note an offer that was never begun; True when the worker is offered no more of that task."""
        count = self._strikes.get(task, 0) + 1
        self._strikes[task] = count
        return count == STRIKES_OUT

    def forgive(self, task: str) -> None:
        """An offer of that task was begun: its strikes are forgotten."""
        self._strikes.pop(task, None)
