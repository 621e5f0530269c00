"""What is remembered while a store is away: nothing is forgotten before its commit, nothing stays taken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from taskgate.errors import KeyReused, Unavailable
from taskgate.events import RunStarted
from taskgate.runs import intake as intake_module
from taskgate.runs.ports import Added, Renewed
from taskgate.runs.run import Status
from taskgate.wire.messages import Refuse, Stopped
from tests.flows.runs.house import ADMIN, House, receipt_of

Away = Callable[..., Any]


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Away:
    """`away(port, verb, count)`: that verb fails with Unavailable the next `count` times."""

    def begin(port: Any, verb: str, count: int = 1) -> None:
        real, left = getattr(port, verb), [count]

        async def fails(*args: Any, **options: Any) -> Any:
            if left[0] > 0:
                left[0] -= 1
                raise Unavailable("away")
            return await real(*args, **options)

        monkeypatch.setattr(port, verb, fails)

    return begin


@pytest.mark.parametrize("verb", ["result", "refuse", "lost", "overdue", "deadline", "expiry"])
async def test_inv_t1_a_lease_is_remembered_until_its_end_is_committed(house: House, away: Away, verb: str) -> None:
    """A holder whose report could not be stored must not be told to stop what the ledger says it holds."""
    crew = await house.crew("w1", "work")
    run = await house.submit("work", deadline_s=100.0 if verb == "deadline" else None, timeout_s=10.0)
    (offer,) = crew.offers
    moves, ledger = house.gateway.moves, house.gateway.stores.ledger
    if verb in ("result", "lost", "overdue", "deadline"):
        assert crew.begin(offer)
        await house.until(lambda: moves.leases.of_run(run.id).introduced)  # type: ignore[union-attr]
    house.clock.advance({"overdue": 20.1, "deadline": 100.1, "expiry": 5.1}.get(verb, 0.0))
    away(ledger, "apply")
    refusal = Refuse(run_id=run.id, attempt=1, lease_token=offer.lease_token, reason="busy")
    said: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
        "result": lambda: crew.finish(offer, "done"),
        "refuse": lambda: moves.reports.refused(crew.holder, [refusal]),
        "lost": lambda: moves.reports.lost_receipts(crew.holder, [receipt_of(offer)], reason="gone"),
    }
    with pytest.raises(Unavailable):
        await said.get(verb, moves.janitor.sweep)()
    held = moves.leases.find(receipt_of(offer))
    assert held is not None
    assert crew.holder.held == {run.id: 1}
    assert crew.cancels == []
    ack = await crew.finish(offer, "done", credit=0)
    assert ack.verdict == "applied"
    assert (len(moves.leases), crew.holder.held) == (0, {})


async def test_inv_f3_an_expiry_that_a_renewal_has_overtaken_stops_nobody(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = await house.crew("w1", "work")
    run = await house.submit("work")
    (offer,) = crew.offers
    moves, ledger = house.gateway.moves, house.gateway.stores.ledger
    seen = ledger.expired

    async def overtaken(limit: int) -> Any:
        found = await seen(limit)
        if found:
            assert crew.begin(offer)
            await house.until(lambda: moves.leases.of_run(run.id).introduced)  # type: ignore[union-attr]
        return found

    monkeypatch.setattr(ledger, "expired", overtaken)
    house.clock.advance(5.1)
    await moves.janitor.sweep()
    assert crew.cancels == []
    assert (await crew.finish(offer, "done")).verdict == "applied"


async def test_who_waits_for_a_renewal_learns_that_the_next_lease_has_replaced_his(house: House) -> None:
    crew = await house.crew("w1", "work", credit=2)
    await house.submit("work")
    (offer,) = crew.offers
    moves = house.gateway.moves
    old = moves.leases.find(receipt_of(offer))
    assert old is not None
    waiter: asyncio.Future[Renewed | None] = asyncio.get_running_loop().create_future()
    old.waiters.append(waiter)
    await crew.fail(offer, error_class="lost")
    await house.until(lambda: len(crew.offers) == 2)
    assert waiter.done()
    assert waiter.result() is Renewed.LOST


async def test_an_accept_that_could_not_be_written_is_written_when_the_store_is_back(house: House, away: Away) -> None:
    """Who says it once and is heard is not taken for somebody who never began (a simple client beats every 10 s)."""
    crew = await house.crew("w1", "work")
    run = await house.submit("work")
    away(house.gateway.stores.ledger, "renew", 3)
    assert crew.begin(crew.offers[0])
    await house.until(lambda: house.gateway.moves.leases.of_run(run.id).introduced)  # type: ignore[union-attr]
    house.clock.advance(5.1)
    assert await house.gateway.moves.janitor.sweep() == 0
    assert (await house.run(run)).tries == 1


async def test_credit_comes_back_and_the_run_is_offered_when_a_claim_fails(house: House, away: Away) -> None:
    first = await house.crew("w1", "work", instance="i1")
    run = await house.submit("work")
    second = await house.crew("w2", "work")
    away(house.gateway.stores.ledger, "claim")
    assert (await first.fail(first.offers[0], error_class="lost", credit=0)).verdict == "applied"
    await house.until(lambda: second.offers)
    assert [offer.run_id for offer in second.offers] == [run.id]
    assert second.holder.offered_count == 1


async def test_the_narrator_outlives_a_journal_that_is_away(house: House, away: Away) -> None:
    journal = house.gateway.journal
    away(journal, "append")
    house.gateway.bus.publish(RunStarted("r1", 1, "w1"))
    house.gateway.bus.publish(RunStarted("r2", 1, "w1"))
    told = [journal.follow(run_id, 0) for run_id in ("r1", "r2")]
    for pages in told:
        async with asyncio.timeout(5.0):
            assert [entry.text for entry in await anext(pages)] == ["running"]


async def test_a_cancelled_run_leaves_its_holder_when_it_has_stopped(house: House) -> None:
    crew = await house.crew("w1", "work", credit=2)
    runs = [await house.submit("work") for _ in range(2)]
    for offer in crew.offers:
        assert crew.begin(offer)
    for run in runs:
        await house.gateway.desk.cancel(ADMIN, run.id)
    assert len(crew.holder.held) == 2, "a slot stays busy until the worker confirms"
    one, two = crew.offers
    report = Stopped(run_id=one.run_id, attempt=1, lease_token=one.lease_token)
    await house.gateway.moves.reports.stopped(crew.holder, [report])
    assert (await crew.finish(two, "late")).verdict == "stale"
    assert crew.holder.held == {}


async def test_inv_t10_everything_that_is_due_is_moved_in_one_sweep(house: House) -> None:
    runs = [await house.submit("work", delay_s=1.0) for _ in range(1200)]
    house.clock.advance(1.1)
    assert await house.gateway.moves.janitor.sweep() == len(runs)


async def test_a_cancelled_run_is_no_longer_in_the_ready_queue(house: House) -> None:
    run = await house.submit("work")
    await house.gateway.desk.cancel(ADMIN, run.id)
    assert run.status is Status.QUEUED
    assert sum((await house.gateway.stores.ready.depth()).values()) == 0


async def test_everything_old_is_purged_not_a_page_a_minute() -> None:
    house = House(archive_url="none", keep_ended_s=86_400.0)
    await house.gateway.start()
    await house.define("work")
    runs = [await house.submit("work") for _ in range(1100)]
    for run in runs:
        await house.gateway.desk.cancel(ADMIN, run.id)
    house.clock.advance(90_000.0)
    assert await house.gateway.moves.janitor.purge() == len(runs)
    await house.gateway.stop()


async def test_f12_a_submit_is_told_to_wait_while_the_store_hangs_and_its_key_finds_the_run(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "COMMIT_S", 0.02)
    crew = await house.crew("w1", "work")
    ledger, go_on = house.gateway.stores.ledger, asyncio.Event()
    real, under_way = ledger.add, list[asyncio.Task[Any]]()

    async def hangs(*args: Any) -> Any:
        """A caller who leaves withdraws nothing, as in a store."""
        task = asyncio.create_task(late(*args))
        under_way.append(task)
        return await asyncio.shield(task)

    async def late(*args: Any) -> Any:
        await go_on.wait()
        return await real(*args)

    monkeypatch.setattr(ledger, "add", hangs)
    with pytest.raises(Unavailable) as refused:
        await house.submit("work", idempotency_key="k")
    assert refused.value.code == "STORE_SLOW"
    go_on.set()
    (first,) = await under_way[0]
    assert (await house.submit("work", idempotency_key="k")).id == first.run.id
    await house.until(lambda: crew.offers)
    assert [offer.run_id for offer in crew.offers] == [first.run.id], "what became durable is given out at once"


async def test_credit_that_a_repeat_gives_back_is_used_for_who_waits(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two commits at once, as on PostgreSQL: the repeat has the only credit, and gives it back behind the other's."""
    await house.submit("work", idempotency_key="k", delay_s=60.0)
    crew = await house.crew("w1", "work")
    ledger, go_on = house.gateway.stores.ledger, asyncio.Event()
    real = ledger.add

    async def slow(runs: Any, grants: Any) -> Any:
        told = await real(runs, grants)
        if runs[0].idempotency_key:
            await go_on.wait()
        return told

    monkeypatch.setattr(ledger, "add", slow)
    repeat = asyncio.create_task(house.submit("work", idempotency_key="k"))
    await house.until(lambda: crew.holder.free == 0)
    run = await house.submit("work")
    await _rested(house)
    go_on.set()
    with pytest.raises(KeyReused):
        await repeat
    await house.until(lambda: crew.offers)
    assert [offer.run_id for offer in crew.offers] == [run.id]


async def test_credit_comes_back_when_the_lease_of_a_late_answer_has_passed_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that stood still asks for a lost commit again, and finds its run where the leader has put it."""
    crew = await house.crew("w1", "work")
    ledger, janitor = house.gateway.stores.ledger, house.gateway.moves.janitor
    real = ledger.add

    async def late(runs: Any, grants: Any) -> Any:
        ((verdict, run),) = [(added.verdict, added.run) for added in await real(runs, grants)]
        house.clock.advance(5.1)
        await janitor.sweep()
        return [Added(verdict, await house.run(run))]

    monkeypatch.setattr(ledger, "add", late)
    run = await house.submit("work")
    await house.until(lambda: crew.offers)
    assert [(offer.run_id, offer.attempt) for offer in crew.offers] == [(run.id, 2)]


async def _rested(house: House) -> None:
    """Nothing is left that the pump could still be doing about what was submitted."""
    for _ in range(20):
        await asyncio.sleep(0)
