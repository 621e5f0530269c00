"""Runs on target `http`: forwarded to a service, moved on when it fails or is slow, never with a worker by mistake."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from taskgate.errors import InvalidInput, Unavailable
from taskgate.runs.run import Outcome, Run, Status
from taskgate.runs.task import Target
from tests.flows.proxy.conftest import Town, http
from tests.flows.runs.house import ADMIN, OTHER

WORKERS = Target(kind="workers", backoff_s=0.0)


async def ended(town: Town, run: Run) -> Run:
    (found,) = await town.gateway.desk.wait(ADMIN, [run.id], timeout_s=5.0)
    return found


async def until_run(town: Town, run: Run, claim: Callable[[Run], bool]) -> Run:
    """The run as soon as it is so."""
    async with asyncio.timeout(5.0):
        now = await town.run(run)
        while not claim(now):
            await asyncio.sleep(0)
            now = await town.run(run)
        return now


async def test_the_input_is_the_body_and_the_answer_the_output(town: Town) -> None:
    await town.define("double", http(path="/double?exact=1"))
    await town.register()
    run = await ended(town, await town.submit("double", {"n": 21}))
    assert run.status is Status.SUCCEEDED
    assert run.output == b'{"twice": 42}'
    assert run.current is not None
    assert (run.current.target, run.current.holder) == ("http", "service/math")
    ((method, path, headers, body),) = town.upstream.asked
    assert (method, path, body) == ("POST", "/api/double?exact=1", {"n": 21})
    assert headers["idempotency-key"] == f"{run.id}.1"
    assert headers["x-taskgate-run"] == run.id
    assert headers["x-site-id"] == "default"


async def test_a_run_waits_for_its_service_and_a_worker_never_gets_it(town: Town) -> None:
    await town.define("double", http())
    crew = await town.crew("w1", "double", credit=5, labels={"taskgate/service": "math"})
    run = await town.submit("double", {"n": 1})
    why = await town.gateway.explainer.why(ADMIN, run.id)
    assert [reason.code for reason in why.reasons] == ["NO_SERVICE"]
    await town.register(away=frozenset({"math"}))
    why = await town.gateway.explainer.why(ADMIN, run.id)
    assert [reason.code for reason in why.reasons] == ["SERVICE_AWAY"]
    await town.register()
    assert (await ended(town, run)).status is Status.SUCCEEDED
    assert not crew.offers


async def test_a_service_never_gets_what_workers_wait_for(town: Town) -> None:
    await town.define("double", WORKERS)
    await town.define("other", http())
    await town.register()
    await town.submit("double", {"n": 1})
    assert (await ended(town, await town.submit("other", {"n": 2}))).status is Status.SUCCEEDED
    assert [body for *_, body in town.upstream.asked] == [{"n": 2}]


async def test_a_refusal_moves_the_run_on_at_once_and_is_kept(town: Town) -> None:
    await town.define("double", http(), WORKERS)
    await town.register()
    crew = await town.crew("w1", "double")
    town.upstream.says(422)
    run = await town.submit("double", {"n": 1})
    await town.until(lambda: crew.offers)
    crew.begin(crew.offers[0])
    await crew.finish(crew.offers[0], "by hand")
    run = await town.run(run)
    first, second = *run.attempts, run.current
    assert second is not None
    assert run.output == b'"by hand"'
    assert (first.target, first.outcome, first.moved_on_because) == (
        "http",
        Outcome.FAILED,
        "the error is not retryable",
    )
    assert first.error is not None
    assert first.error.code == "UPSTREAM_REFUSED"
    assert first.response is not None
    assert msgspec.json.decode(first.response)["body"] == {"why": "because"}
    assert (second.target, second.chain_position) == ("workers", 1)
    assert len(town.upstream.asked) == 1


async def test_what_passes_is_tried_again_and_then_the_chain_ends(town: Town) -> None:
    await town.define("double", http(retries=2))
    await town.register()
    town.upstream.says(500)
    run = await ended(town, await town.submit("double", {"n": 1}))
    assert run.status is Status.FAILED
    assert run.error is not None
    assert run.error.code == "UPSTREAM_FAILED"
    keys = [headers["idempotency-key"] for _, _, headers, _ in town.upstream.asked]
    assert keys == [f"{run.id}.{number}" for number in (1, 2, 3)]


async def test_workers_first_then_the_service(town: Town) -> None:
    await town.define("double", Target(kind="workers", retries=0), http())
    await town.register()
    crew = await town.crew("w1", "double")
    run = await town.submit("double", {"n": 4})
    crew.begin(crew.offers[0])
    await crew.fail(crew.offers[0])
    assert (await ended(town, run)).output == b'{"twice": 8}'


async def test_retry_after_is_honoured(town: Town) -> None:
    await town.define("double", http())
    await town.register()
    town.upstream.says(503, headers={"Retry-After": "40"})
    run = await town.submit("double", {"n": 1})
    await town.until(lambda: town.gateway.fleet.find("service/math").free == 2)  # type: ignore[union-attr]
    now = await until_run(town, run, lambda now: now.status is Status.SCHEDULED)
    assert now.due_at == pytest.approx(town.clock.now() + 40.0)
    town.upstream.answer = town.upstream.double
    town.clock.advance(40.1)
    await town.gateway.moves.janitor.sweep()
    assert (await ended(town, run)).status is Status.SUCCEEDED


async def test_a_try_that_takes_too_long_is_over(town: Town) -> None:
    await town.define("double", http(timeout_s=0.05, retries=0))
    await town.register()
    town.upstream.answer = town.upstream.stall
    run = await ended(town, await town.submit("double", {"n": 1}))
    assert run.current is not None
    assert (run.current.outcome, run.error.code if run.error else "") == (Outcome.TIMED_OUT, "UPSTREAM_TIMEOUT")
    await town.until(lambda: town.upstream.cut_count == 1)


async def test_a_slow_service_is_left_behind_and_cut(town: Town) -> None:
    await town.define("double", http(advance_after_s=20.0), WORKERS)
    await town.register()
    town.upstream.answer = town.upstream.stall
    run = await town.submit("double", {"n": 1})
    await town.upstream.came.wait()
    crew = await town.crew("w1", "double")
    town.clock.advance(20.1)
    await town.gateway.moves.janitor.sweep()  # unless the gateway's own was first
    await town.until(lambda: crew.offers and town.upstream.cut_count == 1)
    await crew.finish(crew.offers[0], "quick")
    first = (await town.run(run)).attempts[0]
    assert first.moved_on_because == "advance_after_s passed"
    await town.until(lambda: town.gateway.fleet.find("service/math").free == 2)  # type: ignore[union-attr]


async def test_a_cancel_cuts_the_call_and_says_so(town: Town) -> None:
    await town.define("double", http())
    await town.register()
    town.upstream.answer = town.upstream.stall
    run = await town.submit("double", {"n": 1})
    await town.upstream.came.wait()
    await town.gateway.desk.cancel(ADMIN, run.id)
    await town.until(lambda: town.upstream.cut_count == 1)
    await until_run(town, run, lambda now: now.stopped_at is not None)


async def test_a_lease_lives_by_heartbeats_and_a_lost_one_cuts_the_call(town: Town) -> None:
    await town.define("double", http())
    await town.register()
    town.upstream.answer = town.upstream.stall
    run = await town.submit("double", {"n": 1})
    await town.upstream.came.wait()
    await town.until(lambda: town.gateway.moves.leases.of_run(run.id).introduced)  # type: ignore[union-attr]
    for _ in range(3):
        town.clock.advance(25.0)
        await town.holders.beat()
        assert await town.gateway.moves.janitor.sweep() == 0
    town.clock.advance(30.1)
    assert await town.gateway.moves.janitor.sweep() == 1
    await town.until(lambda: town.upstream.cut_count == 1)


async def test_a_call_is_cut_when_its_lease_could_not_be_renewed(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store is away nobody renews: at the end of its lease another gateway might have the run."""
    await town.define("double", http())
    await town.register()
    town.upstream.answer = town.upstream.stall
    run = await town.submit("double", {"n": 1})
    await town.upstream.came.wait()
    await town.until(lambda: town.gateway.moves.leases.of_run(run.id).introduced)  # type: ignore[union-attr]

    async def away(_: object) -> None:
        raise Unavailable("away")

    monkeypatch.setattr(town.gateway.stores.ledger, "renew", away)
    town.clock.advance(29.0)
    await town.holders.beat()
    assert town.upstream.cut_count == 0
    town.clock.advance(1.1)
    await town.holders.beat()
    await town.until(lambda: town.upstream.cut_count == 1)


async def test_an_answer_waits_for_a_store_that_is_away(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    await town.define("double", http())
    await town.register()
    apply = town.gateway.stores.ledger.apply
    tries: list[object] = []

    async def away_once(moves: Any, **under: Any) -> Any:
        tries.append(moves)
        if len(tries) == 1:
            raise Unavailable("away")
        return await apply(moves, **under)

    monkeypatch.setattr(town.gateway.stores.ledger, "apply", away_once)
    assert (await ended(town, await town.submit("double", {"n": 3}))).output == b'{"twice": 6}'
    assert (len(tries), len(town.upstream.asked)) == (2, 1)


async def test_a_service_is_never_asked_more_at_once_than_it_may(town: Town) -> None:
    await town.define("double", http())
    await town.register()
    town.upstream.answer = town.upstream.stall
    runs = [await town.submit("double", {"n": n}) for n in range(5)]
    await town.until(lambda: len(town.upstream.asked) == 2)
    why = await town.gateway.explainer.why(ADMIN, runs[4].id)
    assert [reason.code for reason in why.reasons] == ["SERVICE_BUSY"]
    assert len(town.upstream.asked) == 2
    town.upstream.go_on.set()
    for run in runs:
        assert (await ended(town, run)).status is Status.SUCCEEDED


async def test_a_service_of_one_site_does_no_work_for_another(town: Town) -> None:
    await town.define("double", http())
    await town.register(town.service(shared=False, site_id="default"))
    run = await town.submit("double", {"n": 1}, by=OTHER)
    assert (await ended(town, await town.submit("double", {"n": 2}))).status is Status.SUCCEEDED
    why = await town.gateway.explainer.why(OTHER, run.id)
    assert [reason.code for reason in why.reasons] == ["NO_SERVICE"]
    assert len(town.upstream.asked) == 1


async def test_a_withdrawn_service_finishes_what_it_does(town: Town) -> None:
    await town.define("double", http())
    await town.register()
    town.upstream.answer = town.upstream.stall
    run = await town.submit("double", {"n": 1})
    await town.upstream.came.wait()
    other = town.service(name="other")
    await town.register(other)
    await town.holders.beat()
    town.upstream.go_on.set()
    assert (await ended(town, run)).status is Status.SUCCEEDED


async def test_no_service_is_shown_as_a_worker(town: Town) -> None:
    await town.register()
    assert await town.gateway.fleet.workers(None) == []


async def test_what_is_under_way_at_the_end_is_given_up(town: Town) -> None:
    await town.define("double", http())
    await town.register()
    town.upstream.answer = town.upstream.stall
    run = await town.submit("double", {"n": 1})
    await town.upstream.came.wait()
    await town.holders.stop()
    now = await town.run(run)
    assert (now.status, now.lost_count) == (Status.QUEUED, 1)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (http(service=""), "/targets/0/service"),
        (http(service="a b"), "/targets/0/service"),
        (http(method="GET"), "/targets/0/method"),
        (http(method="POST\r\nX: y"), "/targets/0/method"),
        (http(path="double"), "/targets/0/path"),
        (http(path="/a b"), "/targets/0/path"),
        (http(path="/a\r\nX-Admin: 1"), "/targets/0/path"),
        (http(path="/a/../../b"), "/targets/0/path"),
        (http(path="/a/%2e%2E/b"), "/targets/0/path"),
        (http(path="/a#b"), "/targets/0/path"),
    ],
)
async def test_a_target_that_leads_elsewhere_is_refused(town: Town, target: Target, path: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await town.define("double", target)
    assert refused.value.extra["path"] == path
