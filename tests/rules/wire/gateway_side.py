"""A gateway's link for tests, and the messages that it meets."""

from __future__ import annotations

import msgspec

from taskgate.wire import messages as m
from taskgate.wire.gateway_link import GatewayLink
from taskgate.wire.link import Limits

HELLO = m.Hello(worker_id="w1", instance="i1", versions=[1], capabilities=["work"])
SIMPLE = m.Hello(worker_id="w1", capabilities=["work"])
R1 = m.Receipt(run_id="r1", attempt=1, lease_token="t-r1")


def opened(
    hello: m.Hello = HELLO, *, credit: int = 10, limits: Limits | None = None, lost: list[m.Receipt] | None = None
) -> GatewayLink:
    """A link whose worker was welcomed at 0."""
    link = GatewayLink(0.0, "w1", limits=limits)
    link.received(hello, 0.0)
    link.send(m.Welcome(worker_id="w1", lost=lost or []), 0.0)
    if hello.versions:
        link.received(m.Ready(credit=credit), 0.0)
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


def accept(run_id: str = "r1", token: str = "") -> m.Accept:
    return m.Accept(run_id=run_id, attempt=1, lease_token=token or f"t-{run_id}")


def result(run_id: str = "r1", token: str = "") -> m.TaskResult:
    return m.TaskResult(run_id=run_id, attempt=1, lease_token=token or f"t-{run_id}", result=msgspec.Raw(b"1"))


def log(*seqs: int, token: str = "t-r1", text: str = "x") -> m.Log:
    return m.Log(run_id="r1", attempt=1, lease_token=token, lines=[m.LogLine(seq=seq, text=text) for seq in seqs])


def running() -> GatewayLink:
    link = opened()
    link.send(task(), 0.0)
    link.received(accept(), 0.0)
    link.outgoing()
    return link
