"""INV-F1, S36: whatever is said of an attempt counts only in the hands of the worker that has its lease.

Each verb of the rooms is tried with the very receipt of the run, by another worker and by a namesake of another site;
and by the same worker over another connection, which is as good as the first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from taskgate.fleet.holder import Holder
from taskgate.runs.run import Run, Status
from taskgate.wire.messages import Log, LogLine, Progress, Refuse, Stopped, Task, TaskResult
from tests.flows.runs.house import ADMIN, Crew, House, receipt_of

Said = Callable[[House, Task, Holder], Awaitable[bool]]


async def accept(house: House, offer: Task, by: Holder) -> bool:
    return house.gateway.moves.leasing.begin(receipt_of(offer), by)


async def heartbeat(house: House, offer: Task, by: Holder) -> bool:
    renewed, stop = await house.gateway.moves.leasing.renew([receipt_of(offer)], by)
    assert len(renewed) + len(stop) == 1
    return bool(renewed)


async def log(house: House, offer: Task, by: Holder) -> bool:
    line = LogLine(seq=1, text="forged")
    acks, stale = await house.gateway.worker_rooms.narrator.record([Log(**named(offer), lines=[line])], by)
    assert len(acks) + len(stale) == 1
    return bool(acks)


async def progress(house: House, offer: Task, by: Holder) -> bool:
    said = Progress(**named(offer), seq=1, fraction=0.5, text="forged")
    acks, stale = await house.gateway.worker_rooms.narrator.record([said], by)
    assert len(acks) + len(stale) == 1
    return bool(acks)


async def refuse(house: House, offer: Task, by: Holder) -> bool:
    await house.gateway.moves.reports.refused(by, [Refuse(**named(offer), reason="unknown_task")])
    return house.gateway.moves.leases.find(receipt_of(offer)) is None


async def bye(house: House, offer: Task, by: Holder) -> bool:
    await house.gateway.moves.reports.lost_receipts(by, [receipt_of(offer)], reason="gone")
    return house.gateway.moves.leases.find(receipt_of(offer)) is None


async def stopped(house: House, offer: Task, by: Holder) -> bool:
    await house.gateway.moves.reports.stopped(by, [Stopped(**named(offer))])
    return house.gateway.moves.leases.find(receipt_of(offer)) is None


async def result(house: House, offer: Task, by: Holder) -> bool:
    told = TaskResult(**named(offer), status="ok", result=msgspec.Raw(b'"forged"'))
    (ack,) = await house.gateway.moves.reports.results([told], by, may_be_bare=True)
    return ack.verdict == "applied"


async def bare_result(house: House, offer: Task, by: Holder) -> bool:
    told = TaskResult(run_id=offer.run_id, attempt=0, status="ok", result=msgspec.Raw(b'"forged"'))
    (ack,) = await house.gateway.moves.reports.results([told], by, may_be_bare=True)
    return ack.verdict == "applied"


VERBS = pytest.mark.parametrize(
    "said",
    [accept, heartbeat, log, progress, refuse, bye, stopped, result, bare_result],
    ids=lambda said: said.__name__,
)


def named(offer: Task) -> dict[str, Any]:
    return {"run_id": offer.run_id, "attempt": offer.attempt, "lease_token": offer.lease_token}


async def begun(house: House, said: Said) -> tuple[Crew, Run, Task]:
    """A run that w1 has; begun, where more is to be said than that it begins."""
    crew = await house.crew("w1", "work")
    run = await house.submit("work")
    (offer,) = crew.offers
    if said is not accept:
        assert crew.begin(offer)
        await house.until(lambda: house.gateway.moves.leases.of_run(run.id).introduced)  # type: ignore[union-attr]
    return crew, run, offer


@VERBS
@pytest.mark.parametrize(("name", "site_id"), [("w2", None), ("w2", "other"), ("w1", "other")])
async def test_another_worker_is_not_believed(house: House, said: Said, name: str, site_id: str | None) -> None:
    _, run, offer = await begun(house, said)
    held = house.gateway.moves.leases.find(receipt_of(offer))
    assert held is not None
    expires_at, accepted = held.expires_at, held.accepted
    house.clock.advance(1.0)
    other = Crew(house, name, tasks=("work",), credit=0, site_id=site_id)
    assert not await said(house, offer, other.holder)
    now = await house.run(run)
    assert (now.status, now.attempt, now.lost_count) == (Status.RUNNING, 1, 0)
    assert house.gateway.moves.leases.find(receipt_of(offer)) is held
    assert (held.expires_at, held.accepted) == (expires_at, accepted)
    assert "work" in other.holder.tasks, "nor is the task struck off"
    page = await house.gateway.journal.read(run.id, after=0, limit=100)
    assert "forged" not in [entry.text for entry in page]


@VERBS
async def test_the_same_worker_is_believed_over_another_connection(house: House, said: Said) -> None:
    _, _, offer = await begun(house, said)
    again = Crew(house, "w1", tasks=("work",), credit=0, instance="i2")
    assert await said(house, offer, again.holder)


async def test_a_stranger_confirms_no_end(house: House) -> None:
    """That nothing of a cancelled run is left is for its own worker to say."""
    crew, run, offer = await begun(house, stopped)
    await house.gateway.desk.cancel(ADMIN, run.id)
    for name, site_id in (("w2", None), ("w1", "other")):
        await stopped(house, offer, Crew(house, name, tasks=(), credit=0, site_id=site_id).holder)
        assert (await house.run(run)).stopped_at is None
    await stopped(house, offer, crew.holder)
    assert (await house.run(run)).stopped_at is not None
