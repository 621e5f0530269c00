"""A run that nobody here can take goes to a worker there in its accepting commit, and nothing is lost where that fails.

Loans are quicker and nothing else: whatever goes wrong with them, a run is done once.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from taskgate.errors import Unavailable
from taskgate.runs.exchange import SWEEP_S
from taskgate.runs.lending import GATHER_S
from taskgate.runs.loans import GRACE_S, LOAN_S, MAX_INPUT_BYTES, Given, Seal
from taskgate.runs.run import Outcome, Status
from tests.flows.gateways.pair import Neighbour, eventually
from tests.flows.runs.house import Crew

Pair = tuple[Neighbour, Neighbour]


def order_count(gateway: Neighbour) -> int:
    """How many loans this gateway has given."""
    lender: Any = gateway.gateway.moves.dispatcher.lender
    return sum(len(order.loans) for order in lender._orders.values())


def loan_count(gateway: Neighbour) -> int:
    """How many loans this gateway has."""
    borrower: Any = gateway.gateway.moves.matcher.elsewhere
    return sum(len(wish.loans) for wish in borrower._wishes.values())


async def acquainted(here: Neighbour, there: Neighbour, crew: Crew) -> None:
    """One run goes the long way, and with it the wish for loans, which are there when this returns."""
    await here.submit("work", "first")
    await there.until(lambda: crew.offers)
    await crew.finish(crew.offers.pop())
    await eventually(lambda: loan_count(here) == order_count(there) > 0)


def unclaimed(patch: pytest.MonkeyPatch, gateway: Neighbour) -> list[Any]:
    """What this gateway claims from now on."""
    claimed: list[Any] = []
    ledger: Any = gateway.gateway.moves.dispatcher._ledger
    claim = ledger.claim

    async def counted(claims: Any) -> Any:
        claimed.extend(claims)
        return await claim(claims)

    patch.setattr(ledger, "claim", counted)
    return claimed


async def test_a_run_is_leased_to_a_worker_there_in_its_accepting_commit(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = pair
    crew = await there.crew("w1", "work", credit=4)
    await acquainted(here, there, crew)
    claimed = unclaimed(monkeypatch, there)
    run = await here.submit("work", 7)
    assert run.status is Status.RUNNING
    assert run.lease is not None
    assert run.lease.holder == "w1"
    await there.until(lambda: crew.offers)
    offer = crew.offers[0]
    assert (offer.run_id, bytes(offer.payload), offer.lease_token) == (run.id, b"7", run.lease.token)
    assert crew.begin(offer)
    assert (await crew.finish(offer, "done")).verdict == "applied"
    assert (await here.run(run)).output == b'"done"'
    assert claimed == []


async def test_a_burst_goes_to_all_workers_there_and_none_gets_more_than_it_takes(pair: Pair) -> None:
    here, there = pair
    crews = [await there.crew(f"w{number}", "work", credit=2) for number in range(4)]
    await here.submit("work")
    await there.until(lambda: any(crew.offers for crew in crews))
    await eventually(lambda: loan_count(here) > 0)
    runs = [await here.submit("work", number) for number in range(12)]
    await there.until(lambda: sum(len(crew.offers) for crew in crews) == 8)
    assert [len(crew.offers) for crew in crews] == [2] * 4
    assert sum([(await here.run(run)).status is Status.RUNNING for run in runs]) == 7
    verdicts: list[str] = []
    while len(verdicts) < 13:
        await there.until(lambda: any(crew.offers for crew in crews))
        busy = next(crew for crew in crews if crew.offers)
        verdicts.append((await busy.finish(busy.offers.pop())).verdict)
    assert verdicts == ["applied"] * 13


async def test_what_is_not_used_goes_back_when_the_wish_ends(pair: Pair) -> None:
    here, there = pair
    crew = await there.crew("w1", "work", credit=3)
    await acquainted(here, there, crew)
    assert crew.holder.free < 3
    here.clock.advance(LOAN_S)
    await eventually(lambda: crew.holder.free == 3, within_s=20 * SWEEP_S)
    assert loan_count(here) == order_count(there) == 0


async def test_a_lender_takes_back_what_a_borrower_that_died_had(pair: Pair) -> None:
    here, there = pair
    crew = await there.crew("w1", "work", credit=3)
    await acquainted(here, there, crew)
    await here.gateway.moves.neighbourly[-1].tasks.close()  # type: ignore[attr-defined]
    here.clock.advance(LOAN_S + GRACE_S)
    await eventually(lambda: crew.holder.free == 3, within_s=20 * SWEEP_S)


async def test_a_worker_that_is_lent_is_called_back_for_a_run_of_its_own_gateway(pair: Pair) -> None:
    here, there = pair
    crew = await there.crew("w1", "work")
    await acquainted(here, there, crew)
    assert crew.holder.free == 0
    run = await there.submit("work", "mine")
    assert run.status is Status.QUEUED
    await there.until(lambda: crew.offers)
    assert crew.offers[0].run_id == run.id


async def test_nothing_is_lent_while_runs_wait_for_the_workers_here(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker is free for a moment before it gets what waits: a loan then would let a newer run go first."""
    here, there = pair
    ready, gate = there.gateway.stores.ready, asyncio.Event()
    take = ready.take

    async def slow(*words: Any, **options: Any) -> Any:
        await gate.wait()
        return await take(*words, **options)

    monkeypatch.setattr(ready, "take", slow)
    waiting = [await there.submit("work", number) for number in range(3)]
    crew = await there.crew("w1", "work")
    waiting += [await here.submit("work", "wished")]
    await asyncio.sleep(10 * GATHER_S)
    assert (order_count(there), crew.holder.free) == (0, 1)
    late = await here.submit("work", "late")
    gate.set()
    for run in (*waiting, late):  # first in, first out, whoever accepted it
        await there.until(lambda: crew.offers)
        assert crew.offers[0].run_id == run.id
        await crew.finish(crew.offers.pop())


async def test_a_run_for_a_worker_that_has_left_goes_to_another_at_once(pair: Pair) -> None:
    here, there = pair
    crew = await there.crew("w1", "work", credit=2)
    await acquainted(here, there, crew)
    await there.gateway.fleet.leave(crew.holder)
    other = await there.crew("w2", "work")
    run = await here.submit("work")
    assert run.lease is not None
    assert run.lease.holder == "w1"
    await there.until(lambda: other.offers)
    assert other.offers[0].run_id == run.id
    found = await here.run(run)
    assert [attempt.outcome for attempt in found.attempts] == [Outcome.REFUSED]
    assert crew.offers == []


async def test_a_run_for_a_worker_that_came_back_goes_to_its_new_connection(pair: Pair) -> None:
    here, there = pair
    await acquainted(here, there, await there.crew("w1", "work", credit=2))
    again = await there.crew("w1", "work", credit=2)
    run = await here.submit("work")
    assert run.lease is not None
    await there.until(lambda: again.offers)
    assert (again.offers[0].run_id, again.offers[0].lease_token) == (run.id, run.lease.token)


async def test_a_store_that_is_away_ends_no_part_and_loses_no_run(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = pair
    crew = await there.crew("w1", "work", credit=2)
    await acquainted(here, there, crew)

    async def away(digest: str) -> Any:
        raise Unavailable(f"nobody can tell what {digest} is")

    with monkeypatch.context() as patch:
        patch.setattr(there.gateway.definitions.digests, "find", away)
        run = await here.submit("work")
        await asyncio.sleep(0.02)
    assert there.gateway.life.ailment() is None
    here.clock.advance(5.1)
    assert await here.gateway.moves.janitor.sweep() == 1
    await there.until(lambda: crew.offers)
    assert crew.offers[0].run_id == run.id


async def test_a_run_for_a_worker_that_drains_goes_to_another_at_once(pair: Pair) -> None:
    here, there = pair
    crew = await there.crew("w1", "work", credit=2)
    await acquainted(here, there, crew)
    crew.holder.draining = True
    other = await there.crew("w2", "work")
    run = await here.submit("work")
    await there.until(lambda: other.offers)
    assert other.offers[0].run_id == run.id


async def test_a_run_whose_news_are_lost_is_queued_again_by_the_end_of_its_lease(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what a gateway leaves that dies between its commit and the news of it."""
    here, there = pair
    crew = await there.crew("w1", "work", credit=2)
    await acquainted(here, there, crew)
    with monkeypatch.context() as patch:
        patch.setattr(here.gateway.stores.signals, "publish", unheard)
        run = await here.submit("work")
        await asyncio.sleep(0.01)
    assert (await here.run(run)).status is Status.RUNNING
    assert crew.offers == []
    here.clock.advance(5.1)
    assert await here.gateway.moves.janitor.sweep() == 1
    await there.until(lambda: crew.offers)
    assert crew.offers[0].run_id == run.id


async def test_news_that_come_twice_or_after_the_lease_offer_nothing(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = pair
    crew = await there.crew("w1", "work", credit=8)
    await acquainted(here, there, crew)
    said = heard(monkeypatch, here)
    run = await here.submit("work")
    await there.until(lambda: crew.offers)
    (given,) = [(topic, payload) for topic, payload in said if b"given" in payload]
    crew.begin(crew.offers[0])
    await here.gateway.stores.signals.publish(*given)
    await asyncio.sleep(0.02)
    held = there.gateway.moves.leases.of_run(run.id)
    assert held is not None
    assert held.accepted
    await crew.finish(crew.offers[0])
    here.clock.advance(5.1)
    await here.gateway.stores.signals.publish(*given)
    await asyncio.sleep(0.02)
    assert [offer.run_id for offer in crew.offers] == [run.id]


async def test_a_commit_that_failed_gives_its_loan_back_and_never_uses_it_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether it came about: a second run must never stand under the same token (INV-F1)."""
    here, there = pair
    crew = await there.crew("w1", "work", credit=1)
    await acquainted(here, there, crew)
    tokens: list[str] = []
    ledger: Any = here.gateway.intake._ledger
    add = ledger.add

    async def lost(runs: Any, grants: Any) -> Any:
        tokens.extend(grant.token for grant in grants.values())
        await add(runs, grants)
        raise Unavailable("the answer is lost")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "add", lost)
        with pytest.raises(Unavailable):
            await here.submit("work")
    await eventually(lambda: crew.holder.free + order_count(there) == 1)
    again = await here.submit("work")
    await there.until(lambda: crew.offers)
    assert crew.offers[0].run_id == again.id
    assert len(tokens) == 1
    assert crew.offers[0].lease_token not in tokens


async def test_a_repeated_key_gives_its_loan_back(pair: Pair) -> None:
    here, there = pair
    crew = await there.crew("w1", "work", credit=2)
    await acquainted(here, there, crew)
    first = await here.submit("work", idempotency_key="k")
    await there.until(lambda: crew.offers)
    again = await here.submit("work", idempotency_key="k")
    assert again.id == first.id
    await asyncio.sleep(0.02)
    assert len(crew.offers) == 1
    here.clock.advance(LOAN_S)
    await eventually(lambda: crew.holder.free == 1, within_s=20 * SWEEP_S)


async def test_a_large_input_goes_the_long_way(pair: Pair) -> None:
    here, there = pair
    crew = await there.crew("w1", "work", credit=2)
    await acquainted(here, there, crew)
    run = await here.submit("work", "x" * MAX_INPUT_BYTES)
    assert run.status is Status.QUEUED
    await there.until(lambda: crew.offers)


async def test_a_worker_of_another_site_is_lent_to_nobody(pair: Pair) -> None:
    here, there = pair
    crew = await there.crew("w1", "work", site_id="other", credit=2)
    run = await here.submit("work")
    await asyncio.sleep(0.02)
    assert (loan_count(here), crew.offers, crew.holder.free) == (0, [], 2)
    assert run.status is Status.QUEUED


# ---------------------------------------------------------------- who may speak


async def test_words_of_somebody_without_the_secret_are_not_heard(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """S: whoever reaches the server of the news can neither hand work to a worker nor learn a lease's token."""
    here, there = pair
    crew = await there.crew("w1", "work", credit=2)
    await acquainted(here, there, crew)
    said = heard(monkeypatch, here)
    run = await here.submit("work", "true")
    await there.until(lambda: crew.offers)
    assert all(crew.offers[0].lease_token.encode() not in payload for _, payload in said)
    (topic, payload) = next(one for one in said if b"given" in one[1])
    word = Seal(lambda: b"\x5e" * 32).opened(payload)
    assert isinstance(word, Given)
    forged = Given([("loan", msgspec.structs.replace(word.runs[0][1], id=run.id, input=b'"false"'))])
    for wrong in (Seal(lambda: b"\x5f" * 32).sealed(forged), payload[:16] + msgspec.msgpack.encode(forged), b"x"):
        await here.gateway.stores.signals.publish(topic, wrong)
    await asyncio.sleep(0.02)
    assert [bytes(offer.payload) for offer in crew.offers] == [b'"true"']


def heard(patch: pytest.MonkeyPatch, gateway: Neighbour) -> list[tuple[str, bytes]]:
    """What this gateway says of loans from now on."""
    said: list[tuple[str, bytes]] = []
    signals = gateway.gateway.stores.signals
    publish = signals.publish

    async def listened(topic: str, payload: bytes) -> None:
        if topic.startswith("loans"):
            said.append((topic, payload))
        await publish(topic, payload)

    patch.setattr(signals, "publish", listened)
    return said


async def unheard(topic: str, payload: bytes) -> None:
    """News that nobody gets."""
