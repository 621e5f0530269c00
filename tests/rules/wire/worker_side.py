"""A worker's link for tests, and the messages that it meets."""

from __future__ import annotations

import msgspec

from taskgate.wire import messages as m
from taskgate.wire.link import Limits
from taskgate.wire.worker_link import WorkerLink

HELLO = m.Hello(worker_id="w1", instance="i1", versions=[1], capabilities=["work"], slots=2)
WELCOME = m.Welcome(worker_id="w1")


def away(*, capacity: int = 2, results: tuple[m.TaskResult, ...] = (), limits: Limits | None = None) -> WorkerLink:
    return WorkerLink(HELLO, capacity=capacity, results=results, limits=limits, chance=lambda: 0.5)


def opened(link: WorkerLink | None = None, now: float = 0.0, welcome: m.Welcome = WELCOME) -> WorkerLink:
    """A link whose connection is open, with its first words already sent."""
    link = link or away()
    link.connected(now)
    link.outgoing()
    link.received(welcome, now)
    link.tick(now)
    link.outgoing()
    return link


def task(run_id: str = "r1", attempt: int = 1) -> m.Task:
    return m.Task(
        run_id=run_id,
        tracking_id=run_id,
        attempt=attempt,
        lease_token=f"t-{run_id}",
        capability="work",
        payload=msgspec.Raw(b"{}"),
    )


def accept(run_id: str = "r1", attempt: int = 1) -> m.Accept:
    return m.Accept(run_id=run_id, attempt=attempt, lease_token=f"t-{run_id}")


def result(run_id: str = "r1", attempt: int = 1, output: bytes = b"1") -> m.TaskResult:
    return m.TaskResult(run_id=run_id, attempt=attempt, lease_token=f"t-{run_id}", result=msgspec.Raw(output))


def log(first: int, count: int = 1, *, run_id: str = "r1") -> m.Log:
    lines = [m.LogLine(seq=seq, text=f"line {seq}") for seq in range(first, first + count)]
    return m.Log(run_id=run_id, attempt=1, lease_token=f"t-{run_id}", lines=lines)


def running(now: float = 0.0) -> WorkerLink:
    link = opened(now=now)
    link.received(task(), now)
    link.send(accept(), now)
    link.outgoing()
    return link


def kinds(messages: list[m.WorkerMessage]) -> list[str]:
    return [type(message).__name__ for message in messages]
