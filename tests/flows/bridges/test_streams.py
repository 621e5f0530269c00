"""A scheduler that speaks through Redis Streams, its real Redis, and a gateway over memory stores.

The oracle is what the scheduler can read: its result stream, its log streams, what is left in its ready streams.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from taskgate.bridges.streams.names import Names
from taskgate.bridges.streams.scheduler import Scheduler, connect
from taskgate.errors import Unavailable
from tests.flows.bridges.outside import GROUP, PATIENCE_S, READY, TASK, Outside, bridged, working
from tests.servers.redis import Redis


async def test_entries_become_runs_and_results_and_logs_come_back(outside: Outside, redis_url: str) -> None:
    for n in range(20):
        await outside.order(f"r{n}", stream=f"antcode:task:ready:w{n % 3}")
    async with bridged(redis_url) as house, working(house, lines=5):
        results = await outside.until_results(20)
        assert sorted(told["run_id"] for told in results) == sorted(f"r{n}" for n in range(20))
        assert {(told["status"], told["exit_code"], told["worker_id"]) for told in results} == {("success", "0", "w1")}
        assert {told["task_id"] for told in results} == {f"task-r{n}" for n in range(20)}
        assert json.loads(results[0]["data"]) == {"said": "done"}
        for n in range(3):
            assert await outside.is_drained(f"antcode:task:ready:w{n}")

        async def logged() -> bool:
            return not await outside.redis.hlen("antcode:taskgate:logs")

        await outside.until(logged)
        for n in range(20):
            lines = [fields for _, fields in await outside.redis.xrange(f"antcode:log:stream:r{n}")]
            assert [line["content"] for line in lines if line["log_type"] == "stdout"] == [
                f"line {n}" for n in range(1, 6)
            ]
            assert await outside.redis.ttl(f"antcode:log:stream:r{n}") > 0
        assert await outside.redis.hlen("antcode:taskgate:open") == 0
        assert await outside.redis.hlen("antcode:taskgate:by_order") == 0


async def test_lines_that_are_sent_again_are_there_once(outside: Outside, redis_url: str) -> None:
    """A successor that goes on with a log finds where its stream ends by the number in the journal."""
    async with bridged(redis_url) as house, working(house, lines=5):
        await outside.order("r1")
        told = (await outside.until_results(1))[0]

        async def logged() -> bool:
            return not await outside.redis.hlen("antcode:taskgate:logs")

        await outside.until(logged)
        before = await outside.redis.xrange("antcode:log:stream:r1")
        assert [int(number.split("-")[0]) for number, _ in before] == [int(line["sequence"]) for _, line in before]
        await outside.redis.hset("antcode:taskgate:logs", told["taskgate_run_id"], "r1")
        await outside.until(logged)
        assert await outside.redis.xrange("antcode:log:stream:r1") == before


async def test_f20_an_entry_that_comes_twice_is_one_run(outside: Outside, redis_url: str) -> None:
    async with bridged(redis_url) as house, working(house):
        for _ in range(3):
            await outside.order("same")
        await outside.order("other")
        await outside.until(outside.is_drained)
        results = await outside.until_results(2)
        await outside.until(outside.is_drained)
        assert sorted(told["run_id"] for told in results) == ["other", "same"]


async def test_what_no_database_stores_stops_neither_its_neighbours_nor_the_gateway(
    outside: Outside, redis_url: str, postgres_url: str
) -> None:
    """F24: a NUL, in a word that is no id; an entry like that comes again after every restart."""
    await outside.order("r0", traceparent="00-\x00")
    for n in range(1, 4):
        await outside.order(f"r{n}")
    async with bridged(redis_url, database=postgres_url) as house, working(house):
        results = await outside.until_results(4)
        assert {told["run_id"] for told in results} == {"r0", "r1", "r2", "r3"}
        assert house.gateway.life.ailment() is None


async def test_a_result_that_the_scheduler_cannot_take_does_not_end_the_gateway(
    outside: Outside, redis_url: str
) -> None:
    await outside.redis.set("antcode:task:result", "no stream")
    async with bridged(redis_url) as house, working(house):
        await outside.order("r1")

        async def accepted() -> bool:
            return bool(await outside.redis.hlen("antcode:taskgate:open"))

        await outside.until(accepted)
        await asyncio.sleep(0.3)  # several sweeps
        await outside.redis.delete("antcode:task:result")
        await outside.until_results(1)
        assert house.gateway.life.ailment() is None


async def test_the_log_of_a_run_that_was_purged_is_let_go(outside: Outside, redis_url: str) -> None:
    """Nobody follows for ever what the ledger does not know any more, in the place of those that it knows."""
    await outside.redis.hset("antcode:taskgate:logs", "01930000-0000-7000-8000-000000000001", "r-old")
    async with bridged(redis_url):

        async def is_gone() -> bool:
            return not await outside.redis.hlen("antcode:taskgate:logs")

        await outside.until(is_gone)


async def test_an_unknown_task_waits_for_its_declaration_and_no_longer(outside: Outside, redis_url: str) -> None:
    async with bridged(redis_url, patience_s=PATIENCE_S * 10) as house:
        await outside.order("early")

        async def is_read() -> bool:
            groups = await outside.redis.xinfo_groups(READY)
            return bool(groups) and bool(groups[0]["pending"])

        await outside.until(is_read)
        async with working(house):
            assert (await outside.until_results(1))[0]["run_id"] == "early"
    await outside.order("never", task="nobody.does")
    far_ahead = {"run_id": "ahead", "task": "nobody.does"}
    await outside.redis.xadd(READY, far_ahead, id="99999999999999-1")
    async with bridged(redis_url, patience_s=0.2):
        await outside.until(outside.is_drained)
    letters = await outside.redis.xrange(f"{READY}:dead_letter")
    assert [fields["_reason_code"] for _, fields in letters] == ["UNKNOWN_TASK"] * 2


async def test_what_a_dead_consumer_left_is_taken_over(outside: Outside, redis_url: str) -> None:
    """A worker of the scheduler's own that read and never acknowledged: its backlog moves (seed defect)."""
    await outside.order("left")
    await outside.redis.xgroup_create(READY, GROUP, id="0")
    assert await outside.redis.xreadgroup(GROUP, "dead worker", {READY: ">"})
    async with bridged(redis_url, claim_idle_s=0.05) as house, working(house):
        assert (await outside.until_results(1))[0]["run_id"] == "left"
        await outside.until(outside.is_drained)


async def test_a_cancel_of_the_scheduler(outside: Outside, redis_url: str) -> None:
    async with bridged(redis_url) as house:
        await house.define(TASK)
        seat = await house.worker("scheduler.run")
        await outside.order("r1")
        async with asyncio.timeout(PATIENCE_S):
            await seat.offers.get()
        await outside.until(outside.is_drained)
        await outside.redis.xadd("antcode:control:w1", {"control_type": "config_update", "config": "{}"})
        await outside.redis.xadd("antcode:control:w1", {"control_type": "cancel", "run_id": "r1"})
        await outside.redis.xadd("antcode:control:global", {"control_type": "cancel", "run_id": "unknown"})
        told = (await outside.until_results(1))[0]
        assert (told["run_id"], told["status"]) == ("r1", "cancelled")


async def test_a_cancel_that_is_read_before_its_entry(outside: Outside, redis_url: str) -> None:
    """The reader is held up (too many are open): the order to cancel comes first, and is not lost with the gateway."""
    await outside.redis.xadd("antcode:control:w1", {"control_type": "cancel", "run_id": "late"})
    async with bridged(redis_url) as house:
        await house.define(TASK)

        async def is_heard() -> bool:
            groups = await outside.redis.xinfo_groups("antcode:control:w1")
            return any(group["entries-read"] == 1 and not group["pending"] for group in groups)

        await outside.until(is_heard)
    async with bridged(redis_url) as house, working(house):
        await outside.order("late")
        await outside.order("other")
        told = {result["run_id"]: result["status"] for result in await outside.until_results(2)}
        assert told == {"late": "cancelled", "other": "success"}
        await outside.until(outside.is_drained)
        assert await outside.redis.zcard("antcode:taskgate:cancelled") == 0


async def test_a_cancel_between_a_run_and_its_acknowledgement(
    outside: Outside, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry is read again and meets its own run, though it is asked for as one that is put off."""
    seen: list[bytes] = []

    async def dies(self: Scheduler, stream: str, entry_id: bytes, **_: str) -> bool:
        seen.append(entry_id)
        raise Unavailable("cut before the acknowledgement")

    async with bridged(redis_url) as house:
        await house.define(TASK)
        with monkeypatch.context() as patch:
            patch.setattr(Scheduler, "accept", dies)
            await outside.order("r1")

            async def is_seen() -> bool:
                return bool(seen)

            await outside.until(is_seen)
            await outside.redis.xadd("antcode:control:w1", {"control_type": "cancel", "run_id": "r1"})
            await outside.until(lambda: outside.redis.zscore("antcode:taskgate:cancelled", "r1"))
        told = (await outside.until_results(1))[0]
        assert (told["run_id"], told["status"]) == ("r1", "cancelled")
        await outside.until(outside.is_drained)
    assert not await outside.redis.xlen(f"{READY}:dead_letter")


async def test_nothing_is_acknowledged_before_it_is_accepted(
    outside: Outside, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that dies between the two steps: the entry is read again and meets its own run."""
    seen: list[str] = []

    async def dies(self: Scheduler, stream: str, entry_id: bytes, **_: str) -> None:
        seen.append(entry_id.decode())
        raise Unavailable("cut before the acknowledgement")

    with monkeypatch.context() as patch:
        patch.setattr(Scheduler, "accept", dies)
        async with bridged(redis_url) as house:
            await house.define(TASK)
            await outside.order("r1")

            async def tried() -> bool:
                return len(seen) >= 2

            await outside.until(tried)
            assert len(set(seen)) == 1
            runs = await house.gateway.stores.book.find(_all())
            assert [run.idempotency_key for run in runs] == ["r1"]
            assert (await outside.redis.xpending(READY, GROUP))["pending"] == 1


async def test_results_that_nobody_returned_are_found(
    outside: Outside, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The news of an end are lost: the sweep puts the result back, and once."""
    monkeypatch.setattr("taskgate.bridges.streams.returning.Returner.told", lambda self, event: None)
    async with bridged(redis_url) as house, working(house):
        for n in range(5):
            await outside.order(f"r{n}")
        results = await outside.until_results(5)
        assert len({told["run_id"] for told in results}) == len(results) == 5


async def test_a_result_is_put_back_once_whoever_tries(outside: Outside, redis_url: str) -> None:
    """F20: the gateway that ended the run and the sweep of another may both try."""
    scheduler = Scheduler(connect(redis_url), Names("antcode"))
    await scheduler.accept(READY, b"1-1", run_id="RUN", order_id="r1")
    tries = await asyncio.gather(*(scheduler.finish("RUN", {"run_id": "r1"}, keep_s=60) for _ in range(5)))
    await scheduler.client.aclose()
    assert sorted(tries) == [False] * 4 + [True]
    assert len(await outside.results()) == 1
    assert not await outside.redis.hlen("antcode:taskgate:open")


async def test_f9_the_schedulers_redis_dies_and_comes_back(tmp_path: Any) -> None:
    """kill -9 with everything in flight: what Redis kept is done, and every result comes once."""
    server = Redis(tmp_path / "redis", is_durable=True, settings={"appendfsync": "always"})
    server.start()
    outside = Outside(server.url)
    try:
        async with bridged(server.url) as house, working(house):
            for n in range(30):
                await outside.order(f"r{n}")
            await outside.until_results(3)
            server.kill()
            server.start()
            results = await outside.until_results(30)
            assert sorted(told["run_id"] for told in results) == sorted(f"r{n}" for n in range(30))
            await outside.until(outside.is_drained)
    finally:
        await outside.redis.aclose()
        server.stop()


async def test_of_two_gateways_one_reads(outside: Outside, redis_url: str) -> None:
    async with bridged(redis_url) as house, working(house):
        await outside.order("r1")
        await outside.until_results(1)
        leader = house.gateway.stores.leadership
        assert await leader.campaign("streams-bridge", "somebody else", duration_s=60) is None


def _all() -> Any:
    from taskgate.runs.ports import RunFilter

    return RunFilter(site_id="default")
