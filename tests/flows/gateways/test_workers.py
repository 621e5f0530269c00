"""A worker is one worker at all gateways: listed, drained and explained anywhere, connected to one at a time."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import msgspec
import pytest

from taskgate.errors import Forbidden, NotFound
from taskgate.events import WorkerJoined
from taskgate.fleet.neighbours import EACH_S, KEEP_S, WorkerPost
from taskgate.runs.reporting import end_moved
from taskgate.runs.run import Outcome, Status
from taskgate.wire.messages import Load, TaskResult
from tests.flows.gateways.pair import Neighbour, eventually
from tests.flows.runs.house import ADMIN, Crew, receipt_of

Pair = tuple[Neighbour, Neighbour]


async def arrives(house: Neighbour, name: str, *tasks: str, held: Any = (), **options: Any) -> Crew:
    """A worker connects, with leases that it brings along, as `edge/workers/arrival` has it."""
    crew = Crew(house, name, tasks=tasks, credit=options.pop("credit", 1), **options)
    await house.gateway.fleet.join(crew.holder)
    assert await house.gateway.moves.leasing.adopt(crew.holder, list(held)) == []
    house.gateway.bus.publish(WorkerJoined(name, "test"))
    return crew


async def test_workers_of_both_gateways_are_listed_at_either(pair: Pair) -> None:
    here, there = pair
    await arrives(here, "w1", "work", slots=2)
    crew = await arrives(there, "w2", "work", credit=0)
    crew.holder.held["some-run"] = 1
    await here.neighbours.turn()
    await there.neighbours.turn()
    for house in pair:
        views = {view.id: view for view in await house.gateway.fleet.workers(None)}
        assert {name: (view.status, view.slots) for name, view in views.items()} == {
            "w1": ("online", 2),
            "w2": ("online", 1),
        }
        assert views["w2"].running == 1


async def test_s36_a_load_that_is_no_number_hides_nobody(pair: Pair) -> None:
    """What one worker says of its machine does not make its gateway unreadable to the others."""
    here, there = pair
    liar = await arrives(there, "w2", "work")
    await arrives(there, "w3", "work")
    liar.holder.load = Load(cpu=math.nan, memory=-math.inf)
    await there.neighbours.turn()
    views = {view.id: view for view in await here.gateway.fleet.workers(None)}
    assert {name: view.status for name, view in views.items()} == {"w2": "online", "w3": "online"}
    assert views["w2"].load == {"cpu": 0.0, "memory": 0.0}


async def test_many_workers_are_described_now_and_then_and_at_once_when_one_comes_or_goes(pair: Pair) -> None:
    here, there = pair
    await arrives(there, "w0", "work")

    def is_seen() -> bool:
        here.neighbours.nudge()
        return "w0" in here.neighbours.elsewhere()

    await eventually(is_seen)
    (post,) = there.neighbours.workers()
    count = round(2 * KEEP_S / EACH_S / 4)
    made: list[int] = []

    def many() -> list[WorkerPost]:
        made.append(count)
        return [msgspec.structs.replace(post, id=f"w{number}") for number in range(count)]

    await there.neighbours.tasks.close()
    await here.neighbours.tasks.close()
    there.neighbours.workers = many
    await there.neighbours.turn()
    await there.neighbours.turn(anew=False)
    assert len(made) == 1
    await here.neighbours.look()
    seen = here.neighbours.elsewhere()
    assert len(seen) == count
    await there.neighbours.turn(anew=False)
    await here.neighbours.look()
    assert here.neighbours.elsewhere() is seen  # nothing was read again
    there.clock.advance(count * EACH_S)
    await there.neighbours.turn(anew=False)
    assert len(made) == 2
    await there.neighbours.turn()
    assert len(made) == 3


async def test_one_new_id_of_two_sites_at_two_gateways_is_the_first_ones(pair: Pair) -> None:
    """Both were let in, because nobody had the id; the row decides, and stays as the first has written it."""
    here, there = pair
    first, second = (Crew(house, "w1", tasks=("work",), credit=1) for house in pair)
    first.holder.site_id, second.holder.site_id = "site-a", "site-b"
    await here.gateway.fleet.join(first.holder)
    with pytest.raises(Forbidden, match="WORKER_ID_TAKEN"):
        await there.gateway.fleet.join(second.holder)
    assert await there.gateway.fleet.leave(second.holder) is False
    assert there.gateway.fleet.find("w1") is None
    (record,) = await here.gateway.stores.roster.all()
    assert (record.site_id, record.gone_at) == ("site-a", None)


async def test_workers_of_a_gateway_that_died_are_offline_after_a_while(pair: Pair) -> None:
    here, there = pair
    await arrives(there, "w2", "work")
    await there.neighbours.turn()
    await there.neighbours.tasks.close()  # it says nothing any more, nor does it take its words back
    here.clock.advance(KEEP_S + 0.1)
    (view,) = await here.gateway.fleet.workers(None)
    assert view.status == "offline"


async def test_a_gateway_that_leaves_takes_its_words_back(pair: Pair) -> None:
    here, there = pair
    await arrives(there, "w2", "work")
    await there.neighbours.turn()
    await there.neighbours.stop()
    (view,) = await here.gateway.fleet.workers(None)
    assert view.status == "offline"


async def test_why_knows_of_workers_elsewhere(pair: Pair) -> None:
    here, there = pair
    run = await here.submit("work")
    assert await reasons(here, run.id) == ["NO_WORKER"]
    await arrives(there, "w2", "work", credit=0)
    await there.neighbours.turn()
    await here.neighbours.turn()
    assert await reasons(here, run.id) == ["WORKERS_BUSY"]
    wanting = await here.submit("work", labels=(("gpu", "1"),))
    assert (await reasons(here, wanting.id))[0] in ("LABELS", "WORKERS_BUSY")


async def reasons(house: Neighbour, run_id: str) -> list[str]:
    return [reason.code for reason in (await house.gateway.explainer.why(ADMIN, run_id)).reasons]


async def test_a_drain_here_reaches_the_worker_there(pair: Pair) -> None:
    here, there = pair
    crew = await arrives(there, "w2", "work")
    await there.neighbours.turn()
    await here.neighbours.turn()
    await here.gateway.fleet.drain("w2", site_id=None)
    await eventually(lambda: crew.holder.draining)
    with pytest.raises(NotFound):
        await here.gateway.fleet.drain("nobody", site_id=None)


async def test_s36_the_newer_connection_of_a_worker_wins_everywhere(pair: Pair) -> None:
    here, there = pair
    old = await arrives(here, "w1", "work")
    await asyncio.sleep(0.01)
    here.clock.advance(2.0)
    new = await arrives(there, "w1", "work")
    await eventually(lambda: old.closed)
    assert old.closed == (4409, "replaced by a newer connection")
    assert new.closed is None
    await here.gateway.fleet.leave(old.holder)
    here.clock.advance(2.0)
    back = await arrives(here, "w1", "work")
    await eventually(lambda: new.closed)
    assert back.closed is None


async def test_s36_of_two_that_come_at_once_one_stays(pair: Pair) -> None:
    for number in range(10):
        crews = await asyncio.gather(*(arrives(house, f"w{number}", "work") for house in pair))
        await eventually(lambda: any(crew.closed for crew in crews))  # noqa: B023
        await asyncio.sleep(0.005)
        assert [crew.closed is None for crew in crews].count(True) == 1
        await asyncio.gather(*(house.gateway.fleet.leave(crew.holder) for house, crew in zip(pair, crews, strict=True)))


async def test_s36_a_worker_that_two_have_for_long_is_left_to_the_later(pair: Pair) -> None:
    """The announcement was lost: what the gateways say on the board settles it."""
    here, there = pair
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(here.gateway.stores.signals, "publish", unheard)
        old = await arrives(here, "w1", "work")
        here.clock.advance(1.0)
        new = await arrives(there, "w1", "work")
        await asyncio.sleep(0.01)
    for _ in range(4):
        await here.neighbours.turn()
        await there.neighbours.turn()
    assert old.closed is not None
    assert new.closed is None


async def unheard(topic: str, payload: bytes) -> None:
    """News that nobody gets."""


async def test_inv_f3_a_worker_that_moves_keeps_what_it_holds(pair: Pair) -> None:
    """Result and log lines of a lease that the other gateway gave; that one forgets it without harm."""
    here, there = pair
    crew = await here.crew("w1", "work")
    run = await here.submit("work", timeout_s=60.0)
    crew.begin(crew.offers[0])
    await here.until(lambda: here.gateway.moves.leases.of_run(run.id).introduced)  # type: ignore[union-attr]
    here.clock.advance(2.0)
    moved = await arrives(there, "w1", "work", held=[receipt_of(crew.offers[0])])
    await eventually(lambda: len(here.gateway.moves.leases) == 0)
    assert crew.closed is not None
    here.clock.advance(23.0)
    renewed, stop = await there.gateway.moves.leasing.renew([receipt_of(crew.offers[0])], moved.holder)
    assert len(renewed) == 1
    assert stop == []
    here.clock.advance(25.0)
    assert await here.gateway.moves.janitor.sweep() == 0
    assert (await moved.finish(crew.offers[0], "moved")).verdict == "applied"
    ended = await here.run(run)
    assert (ended.status, ended.output, ended.lost_count) == (Status.SUCCEEDED, b'"moved"', 0)


async def test_what_a_dead_link_process_held_is_given_on_at_once(pair: Pair) -> None:
    """It comes back at the other gateway as a new process, without the run."""
    here, there = pair
    crew = await here.crew("w1", "work", instance="i1")
    run = await here.submit("work")
    crew.begin(crew.offers[0])
    await here.until(lambda: here.gateway.moves.leases.of_run(run.id).introduced)  # type: ignore[union-attr]
    here.clock.advance(2.0)
    again = await arrives(there, "w1", "work", instance="i2")
    there.gateway.moves.dispatcher.wake(again.holder)
    await there.until(lambda: again.offers)
    now = await here.run(run)
    assert now.attempt == 2
    assert now.attempts[0].outcome is Outcome.WORKER_LOST


async def test_a_result_without_a_receipt_counts_where_its_worker_is_now(pair: Pair) -> None:
    """A simple client knows the run alone; the ledger knows whose lease it is."""
    here, there = pair
    crew = await here.crew("w1", "work")
    run = await here.submit("work")
    crew.begin(crew.offers[0])
    reports = there.gateway.moves.reports
    result = TaskResult(run_id=run.id, attempt=0, lease_token="", status="ok", result=msgspec.Raw(b"1"))
    for name, verdict in (("w2", "stale"), ("w1", "applied")):
        by = Crew(there, name, tasks=("work",), credit=0).holder
        (ack,) = await reports.results([result], by, may_be_bare=True)
        assert ack.verdict == verdict


async def test_a_queue_has_the_workers_of_all_gateways_wherever_it_is_asked_for(pair: Pair) -> None:
    here, there = pair
    await arrives(here, "w1", "work", slots=1, credit=1)
    crew = await arrives(there, "w2", "work", slots=3, credit=3)
    crew.holder.held["some-run"] = 1
    crew.holder.offered_count = 1
    await arrives(there, "w3", "other", slots=5, credit=5)
    for _ in range(2):
        for house in pair:
            await house.neighbours.turn()
    for house in pair:
        views = {view.queue.task: view for view in await house.gateway.watch.standings.everywhere()}
        assert (views["work"].workers, views["work"].slots_free) == (2, 3)


async def test_inv_a1_a_namesake_of_another_site_cannot_answer_for_a_worker(pair: Pair) -> None:
    """Even where another site got the name behind an operator's back: a name alone is no receipt."""
    here, there = pair
    crew = await arrives(here, "w1", "work")
    run = await here.submit("work", 1)
    await here.until(lambda: crew.offers)
    crew.begin(crew.offers[0])
    stranger = Crew(there, "w1", tasks=("work",), credit=0, site_id="other")
    await there.gateway.stores.roster.remove("w1")
    await there.gateway.fleet.join(stranger.holder)
    bare = TaskResult(run_id=run.id, attempt=0, status="ok", result=msgspec.Raw(b"2"))
    (ack,) = await there.gateway.moves.reports.results([bare], stranger.holder, may_be_bare=True)
    assert ack.verdict == "stale"
    assert (await here.run(run)).is_open
    same = Crew(there, "w1", tasks=("work",), credit=0)
    await there.gateway.stores.roster.remove("w1")
    await there.gateway.fleet.join(same.holder)
    (ack,) = await there.gateway.moves.reports.results([bare], same.holder, may_be_bare=True)
    assert ack.verdict == "applied"


async def test_a_try_that_comes_over_keeps_the_time_that_it_has_used(pair: Pair) -> None:
    """Its limit counts from the start that the ledger knows; what is overdue by then has the grace to be told."""
    here, there = pair
    crew = await arrives(here, "w1", "work", credit=2)
    late, spent = await here.submit("work", timeout_s=25.0), await here.submit("work", timeout_s=10.0)
    for offer in crew.offers:
        assert crew.begin(offer)
    leases = here.gateway.moves.leases
    await eventually(lambda: all(leases.of_run(run.id).introduced for run in (late, spent)))  # type: ignore[union-attr]
    here.clock.advance(20.0)
    moved = await arrives(there, "w1", "work", held=[receipt_of(offer) for offer in crew.offers])
    there.clock.advance(9.0)
    await there.gateway.moves.janitor.end_overdue()
    assert moved.cancels == []
    there.clock.advance(1.1)
    await there.gateway.moves.janitor.end_overdue()
    assert moved.cancels == [(spent.id, 1, "timeout")]
    there.clock.advance(5.0)
    await there.gateway.moves.janitor.end_overdue()
    assert moved.cancels == [(spent.id, 1, "timeout"), (late.id, 1, "timeout")]
    attempts = (await there.run(late)).attempts
    assert [(attempt.outcome, attempt.started_at) for attempt in attempts] == [(Outcome.TIMED_OUT, late.created_at)]


async def test_who_waits_for_a_renewal_is_answered_though_the_worker_has_moved(pair: Pair) -> None:
    here, _ = pair
    crew = await arrives(here, "w1", "work")
    run = await here.submit("work")
    moves = here.gateway.moves
    assert crew.begin(crew.offers[0])
    await eventually(lambda: moves.leases.of_run(run.id).introduced)  # type: ignore[union-attr]
    here.clock.advance(20.0)
    waits = asyncio.create_task(moves.leasing.renew([receipt_of(crew.offers[0])], crew.holder))
    await asyncio.sleep(0)
    await end_moved(moves.reports, moves.leases, worker_id="w1", instance="i1", held=[(run.id, 1)])
    async with asyncio.timeout(5.0):
        assert await waits == ([], [])
