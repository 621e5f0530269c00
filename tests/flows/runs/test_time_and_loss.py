"""What time and dead workers do to runs."""

from __future__ import annotations

import msgspec

from taskgate.runs.run import Outcome, Status
from taskgate.runs.task import Target
from tests.flows.runs.house import ADMIN, House, receipt_of


async def test_an_offer_that_nobody_begins_goes_back_uncounted(house: House) -> None:
    crew = await house.crew("w1", "work", credit=9)
    run = await house.submit("work")
    house.clock.advance(5.1)
    assert await house.gateway.moves.janitor.sweep() == 1
    await house.until(lambda: len(crew.offers) == 2)
    now = await house.run(run)
    assert now.attempt == 2
    assert now.tries == 0
    assert now.attempts[0].outcome is Outcome.NOT_STARTED


async def test_three_offers_not_begun_in_a_row_set_the_worker_aside(house: House) -> None:
    crew = await house.crew("w1", "work", credit=9)
    run = await house.submit("work")
    for number in range(3):
        await house.until(lambda number=number: len(crew.offers) == number + 1)  # type: ignore[misc]
        house.clock.advance(5.1)
        await house.gateway.moves.janitor.sweep()
    why = await house.gateway.explainer.why(ADMIN, run.id)
    assert [reason.code for reason in why.reasons] == ["SET_ASIDE"]
    assert len(crew.offers) == 3


async def test_inv_f2_an_accepted_lease_lives_by_renewal_and_dies_without(house: House) -> None:
    crew = await house.crew("w1", "work")
    run = await house.submit("work")
    offer = crew.offers[0]
    assert crew.begin(offer)
    await house.until(lambda: house.gateway.moves.leases.of_run(run.id).introduced)  # type: ignore[union-attr]
    house.clock.advance(20.0)
    assert await house.gateway.moves.janitor.sweep() == 0
    renewed, stop = await house.gateway.moves.leasing.renew([receipt_of(offer)], crew.holder)
    assert renewed == [msgspec.structs.replace(receipt_of(offer), left_s=30.0)]
    assert stop == []
    house.clock.advance(29.0)
    assert await house.gateway.moves.janitor.sweep() == 0
    house.clock.advance(1.1)
    other = await house.crew("w2", "work")
    assert await house.gateway.moves.janitor.sweep() == 1
    await house.until(lambda: other.offers)
    assert (await crew.finish(offer, "late", credit=0)).verdict == "stale"
    assert (await other.finish(other.offers[0], "fresh")).verdict == "applied"
    ended = await house.run(run)
    assert ended.output == b'"fresh"'
    assert ended.lost_count == 1
    assert ended.tries == 1


async def test_inv_f4_a_fresh_lease_is_told_what_it_has_left_without_a_write(house: House) -> None:
    """A begun run asks for its confirmation after a second; silence would make its worker give it up."""
    crew = await house.crew("w1", "work")
    run = await house.submit("work")
    crew.begin(crew.offers[0])
    await house.until(lambda: house.gateway.moves.leases.of_run(run.id).introduced)  # type: ignore[union-attr]
    house.clock.advance(1.0)
    renewed, stop = await house.gateway.moves.leasing.renew([receipt_of(crew.offers[0])], crew.holder)
    assert [receipt.left_s for receipt in renewed] == [29.0]
    assert stop == []


async def test_inv_f3_the_stale_result_first_or_last_never_counts(house: House) -> None:
    crew = await house.crew("w1", "work")
    run = await house.submit("work")
    crew.begin(crew.offers[0])
    await house.until(lambda: house.gateway.moves.leases.of_run(run.id).introduced)  # type: ignore[union-attr]
    other = await house.crew("w2", "work")
    house.clock.advance(31.0)
    await house.gateway.moves.janitor.sweep()
    await house.until(lambda: other.offers)
    await other.finish(other.offers[0], "won")
    assert (await crew.finish(crew.offers[0], "zombie", credit=0)).verdict == "stale"
    assert (await house.run(run)).output == b'"won"'


async def test_f21_poison_ends_after_three_lost_workers_on_two_of_them(house: House) -> None:
    crews = [await house.crew(f"w{number}", "work") for number in range(2)]
    run = await house.submit("work")
    for _ in range(3):
        await house.until(lambda: any(crew.holder.held for crew in crews))
        crew = next(crew for crew in crews if crew.holder.held)
        offer = crew.offers[-1]
        crew.begin(offer)
        await crew.fail(offer, "segmentation fault", error_class="crash", error_code="WORKER_CRASH")
    ended = await house.run(run)
    assert ended.status is Status.FAILED
    assert ended.error is not None
    assert ended.error.code == "WORKER_CRASH"
    assert len({attempt.holder for attempt in (*ended.attempts, ended.current) if attempt}) == 2
    assert ended.tries == 0
    assert ended.lost_count == 3


async def test_a_delayed_run_waits_for_its_moment(house: House) -> None:
    crew = await house.crew("w1", "work")
    run = await house.submit("work", delay_s=60.0)
    assert run.status is Status.SCHEDULED
    house.clock.advance(59.0)
    assert await house.gateway.moves.janitor.sweep() == 0
    house.clock.advance(1.5)
    assert await house.gateway.moves.janitor.sweep() == 1
    await house.until(lambda: crew.offers)


async def test_each_timeout_has_its_own_code(house: House) -> None:
    await house.define("late", Target(retries=0), schedule_to_start_s=10.0)
    never_started = await house.submit("late")
    never_ended = await house.submit("work", deadline_s=10.0)
    house.clock.advance(10.5)
    await house.gateway.moves.janitor.sweep()
    first, second = await house.run(never_started), await house.run(never_ended)
    assert first.status is Status.FAILED
    assert first.error
    assert first.error.code == "SCHEDULE_TO_START_TIMEOUT"
    assert second.status is Status.TIMED_OUT
    assert second.error
    assert second.error.code == "TOTAL_DEADLINE"


async def test_start_to_close_is_the_gateways_business_when_a_worker_forgets_it(house: House) -> None:
    await house.define("slow", Target(retries=0, timeout_s=5.0))
    crew = await house.crew("w1", "slow")
    run = await house.submit("slow")
    crew.begin(crew.offers[0])
    house.clock.advance(16.0)
    await house.gateway.moves.janitor.sweep()
    ended = await house.run(run)
    assert ended.status is Status.FAILED
    assert ended.error
    assert ended.error.code == "START_TO_CLOSE_TIMEOUT"
    assert crew.cancels == [(run.id, 1, "timeout")]


async def test_inv_t10_a_wall_clock_that_jumps_back_expires_nothing_early(house: House) -> None:
    crew = await house.crew("w1", "work")
    run = await house.submit("work")
    crew.begin(crew.offers[0])
    await house.until(lambda: house.gateway.moves.leases.of_run(run.id).introduced)  # type: ignore[union-attr]
    house.clock.jump(-7200.0)
    assert await house.gateway.moves.janitor.sweep() == 0
    assert (await house.run(run)).status is Status.RUNNING


async def test_a_ready_queue_that_lost_everything_is_filled_again(house: House) -> None:
    run = await house.submit("work")
    await house.gateway.stores.ready.withdraw(run.id)
    crew = await house.crew("w1", "work")
    assert await house.gateway.moves.dispatcher.reconcile() == 1
    await house.until(lambda: crew.offers)
    assert crew.offers[0].run_id == run.id
