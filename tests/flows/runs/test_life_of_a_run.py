"""Runs from submit to end, through intake, dispatcher, leases and settler."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from taskgate.errors import Conflict, InvalidInput, KeyReused, NotFound, TooLarge
from taskgate.runs.run import Outcome, Status
from taskgate.runs.task import Target
from taskgate.wire.messages import Refuse
from tests.flows.runs.house import ADMIN, OTHER, House


async def test_a_waiting_worker_gets_the_run_in_the_accepting_commit(house: House) -> None:
    crew = await house.crew("w1", "work")
    run = await house.submit("work", {"a": 1})
    assert run.status is Status.RUNNING
    assert run.attempt == 1
    assert [offer.run_id for offer in crew.offers] == [run.id]
    assert bytes(crew.offers[0].payload) == b'{"a":1}'
    ack = await crew.finish(crew.offers[0], {"ok": True})
    assert ack.verdict == "applied"
    ended = await house.run(run)
    assert ended.status is Status.SUCCEEDED
    assert ended.output == b'{"ok":true}'
    assert ended.tries == 1
    assert ended.current is not None
    assert ended.current.outcome is Outcome.SUCCEEDED


async def test_a_run_without_a_worker_waits_and_goes_to_the_first_that_comes(house: House) -> None:
    run = await house.submit("work")
    assert run.status is Status.QUEUED
    crew = await house.crew("w1", "work")
    await house.until(lambda: crew.offers)
    assert crew.offers[0].run_id == run.id


async def test_first_in_first_out_behind_a_busy_worker(house: House) -> None:
    crew = await house.crew("w1", "work")
    runs = [await house.submit("work", number) for number in range(5)]
    for number in range(5):
        await house.until(lambda number=number: len(crew.offers) > number)  # type: ignore[misc]
        await crew.finish(crew.offers[number])
    assert [offer.run_id for offer in crew.offers] == [run.id for run in runs]


async def test_inv_f1_a_result_needs_its_very_receipt(house: House) -> None:
    crew = await house.crew("w1", "work")
    run = await house.submit("work")
    offer = crew.offers[0]
    for forged in (
        msgspec.structs.replace(offer, lease_token="x" * 22),
        msgspec.structs.replace(offer, attempt=2),
        msgspec.structs.replace(offer, run_id="0" * 36),
    ):
        assert (await crew.finish(forged, "stolen", credit=0)).verdict == "stale"
    assert (await house.run(run)).status is Status.RUNNING
    assert (await crew.finish(offer, "mine")).verdict == "applied"


async def test_the_same_result_again_is_replayed_and_changes_nothing(house: House) -> None:
    crew = await house.crew("w1", "work")
    run = await house.submit("work")
    await crew.finish(crew.offers[0], 1)
    before = await house.run(run)
    assert (await crew.finish(crew.offers[0], 1)).verdict == "replayed"
    assert (await crew.finish(crew.offers[0], 2)).verdict == "stale"
    assert await house.run(run) == before


async def test_an_error_is_retried_with_every_attempt_kept(house: House) -> None:
    await house.define("shaky", Target(retries=2, backoff_s=0.0))
    crew = await house.crew("w1", "shaky")
    run = await house.submit("shaky")
    for number in range(2):
        await house.until(lambda number=number: len(crew.offers) > number)  # type: ignore[misc]
        await crew.fail(crew.offers[number], f"boom {number}")
    await house.until(lambda: len(crew.offers) == 3)
    await crew.finish(crew.offers[2], "at last")
    ended = await house.run(run)
    assert ended.status is Status.SUCCEEDED
    assert ended.tries == 3
    assert [(a.number, a.outcome) for a in ended.attempts] == [(1, Outcome.FAILED), (2, Outcome.FAILED)]
    assert ended.attempts[0].error is not None
    assert ended.attempts[0].error.message == "boom 0"


async def test_used_up_tries_make_a_dead_letter_that_can_be_retried(house: House) -> None:
    await house.define("doomed", Target(retries=0))
    crew = await house.crew("w1", "doomed")
    run = await house.submit("doomed", {"x": 1})
    await crew.fail(crew.offers[0], "never", error_code="NEVER")
    dead = await house.run(run)
    assert dead.status is Status.FAILED
    assert dead.error is not None
    assert dead.error.code == "NEVER"
    again = await house.gateway.desk.retry(ADMIN, run.id)
    assert again.id != run.id
    assert again.retry_of == run.id
    assert again.input == run.input
    await house.until(lambda: len(crew.offers) == 2)


async def test_a_chain_moves_to_the_next_target(house: House) -> None:
    await house.define("chained", Target(retries=0, labels={"kind": "fast"}), Target(retries=0, labels={"kind": "big"}))
    fast = await house.crew("fast", "chained", labels={"kind": "fast"})
    big = await house.crew("big", "chained", labels={"kind": "big"})
    run = await house.submit("chained")
    assert len(fast.offers) == 1
    assert not big.offers
    await fast.fail(fast.offers[0])
    await house.until(lambda: big.offers)
    await big.finish(big.offers[0], "done")
    ended = await house.run(run)
    assert ended.status is Status.SUCCEEDED
    assert ended.chain_position == 1
    assert ended.attempts[0].moved_on_because == "1 tries are used up"


async def test_inv_t9_a_cancel_before_the_result_wins(house: House) -> None:
    crew = await house.crew("w1", "work")
    run = await house.submit("work")
    cancelled = await house.gateway.desk.cancel(ADMIN, run.id)
    assert cancelled.status is Status.CANCELLED
    assert crew.cancels == [(run.id, 1, "cancelled")]
    assert (await crew.finish(crew.offers[0])).verdict == "stale"
    with pytest.raises(Conflict) as refused:
        await house.gateway.desk.cancel(ADMIN, run.id)
    assert refused.value.extra["status"] == "cancelled"


async def test_inv_t9_a_cancel_after_the_result_is_too_late(house: House) -> None:
    crew = await house.crew("w1", "work")
    run = await house.submit("work")
    await crew.finish(crew.offers[0])
    with pytest.raises(Conflict) as refused:
        await house.gateway.desk.cancel(ADMIN, run.id)
    assert refused.value.extra["status"] == "succeeded"


async def test_inv_t3_one_key_one_run(house: House) -> None:
    first = await house.verdict("work", 1, idempotency_key="k")
    again = await house.verdict("work", 1, idempotency_key="k")
    other = await house.verdict("work", 2, idempotency_key="k")
    assert not isinstance(first, Exception)
    assert not isinstance(again, Exception)
    assert again.run.id == first.run.id
    assert again.replayed
    assert not first.replayed
    assert isinstance(other, KeyReused)


async def test_inv_a1_a_foreign_run_is_the_same_not_found(house: House) -> None:
    run = await house.submit("work")
    for verb in (house.gateway.desk.get, house.gateway.desk.cancel, house.gateway.desk.retry):
        with pytest.raises(NotFound) as foreign:
            await verb(OTHER, run.id)
        with pytest.raises(NotFound) as missing:
            await verb(OTHER, "01a1fae3-b6b8-78a5-b39e-b1b24b1a1516")
        assert (foreign.value.code, foreign.value.detail) == (missing.value.code, missing.value.detail)


async def test_waiting_for_runs_returns_the_first_ended(house: House) -> None:
    crew = await house.crew("w1", "work", credit=2)
    runs = [await house.submit("work", number) for number in range(2)]
    waiting = asyncio.create_task(house.gateway.desk.wait(ADMIN, [run.id for run in runs], timeout_s=5.0))
    await asyncio.sleep(0)
    await crew.finish(crew.offers[1], "second")
    assert [run.id for run in await waiting] == [runs[1].id]


async def test_bad_submissions_are_refused_one_by_one_and_change_nothing(house: House) -> None:
    assert isinstance(await house.verdict("nobody"), NotFound)
    assert isinstance(await house.verdict("work", "x" * (800 << 10)), TooLarge)
    assert isinstance(await house.verdict("work", priority=10**9), InvalidInput)
    assert isinstance(await house.verdict("work", delay_s=-1.0), InvalidInput)
    assert isinstance(await house.verdict("work", delay_s=1.0, run_at=2.0), Conflict)
    assert isinstance(await house.verdict("work", timeout_s=0.0), InvalidInput)
    assert await house.gateway.stores.book.count("default") == {}


async def test_who_waits_for_a_run_that_has_ended_gets_it_whole_again_and_again(house: House) -> None:
    """The first answer comes from memory, the next ones from the ledger: they are the same, and nobody else's."""
    crew = await house.crew("w1", "work")
    run = await house.submit("work", {"a": 1})
    await crew.finish(crew.offers[0], {"ok": True})
    with pytest.raises(NotFound):
        await house.gateway.desk.wait(OTHER, [run.id], timeout_s=0.0)
    first, second = [await house.gateway.desk.wait(ADMIN, [run.id], timeout_s=0.0) for _ in range(2)]
    assert first == second == [await house.run(run)]


async def test_inv_a1_a_run_that_was_removed_is_not_remembered(house: House) -> None:
    crew = await house.crew("w1", "work")
    run = await house.submit("work")
    await crew.finish(crew.offers[0])
    await house.gateway.stores.book.remove([run.id])
    with pytest.raises(NotFound):
        await house.gateway.desk.wait(ADMIN, [run.id], timeout_s=0.0)


async def test_what_a_worker_says_oddly_can_be_kept_and_shown(house: House) -> None:
    """A NUL, which PostgreSQL keeps in no text, would have its report refused for ever, and with it those beside it in
    one commit; a moment that no calendar has would make its run unreadable."""
    crew = await house.crew("w1", "work", credit=2)
    lost = await house.submit("work")
    await crew.fail(crew.offers[0], error_class="crash", error_code="A\0B", started_at=-1e300)
    await house.until(lambda: len(crew.offers) == 2)
    refusal = Refuse(run_id=lost.id, attempt=2, lease_token=crew.offers[1].lease_token, reason="no\0" + 200 * "x")
    await house.gateway.moves.reports.refused(crew.holder, [refusal])
    first, second = (await house.run(lost)).attempts
    assert (first.error and first.error.code, first.moved_on_because) == ("A\ufffdB", "A\ufffdB")
    assert second.moved_on_because == "no\ufffd" + 125 * "x"
    assert first.started_at is None
