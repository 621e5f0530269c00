"""Reading and steering runs: the shape of a run, lists, waiting, cancel, retry, why, dead letters."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from taskgate.testing.clock import ManualClock
from tests.edge.http.house import FREE, House, open_house

RUN_MEMBERS = {
    "id", "task", "version", "status", "input", "output", "error", "chain_position", "attempts", "tenant",
    "created_at", "started_at", "ended_at", "labels",
}  # fmt: skip
ATTEMPT_MEMBERS = {
    "number", "target", "holder", "started_at", "ended_at", "outcome", "error", "request", "response",
    "moved_on_because",
}  # fmt: skip
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


async def submitted(house: House, key: str, task: str = "demo.free", **body: Any) -> str:
    reply = await house.ask("POST", f"/v1/tasks/{task}/runs", {"input": 1, **body}, key=key)
    assert reply.status == 202, reply.body
    return str(reply.told["id"])


async def test_a_run_is_told_as_promised(house: House) -> None:
    """The members of INTERFACES, each with its type."""
    key = await house.key("submit", "read", user="u1")
    seat = await house.worker("demo.echo")
    run_id = await submitted(house, key, "demo.echo", input={"n": 1}, labels={"team": "a"}, priority=3)
    task = await seat.offers.get()
    await house.finish(task, {"sum": 2})
    told = (await house.ask("GET", f"/v1/runs/{run_id}", key=key)).told
    assert told.keys() >= RUN_MEMBERS
    assert (told["status"], told["output"], told["error"]) == ("succeeded", {"sum": 2}, None)
    assert told["tenant"] == {"site_id": "acme", "user_id": "u1", "app_id": ""}
    assert told["labels"] == {"team": "a"}
    assert all(RFC3339.fullmatch(told[name]) for name in ("created_at", "ended_at"))
    [attempt] = told["attempts"]
    assert attempt.keys() >= ATTEMPT_MEMBERS
    assert (attempt["number"], attempt["target"], attempt["holder"]) == (1, "workers", "w1")
    assert (attempt["request"], attempt["response"], attempt["outcome"]) == ({"n": 1}, {"sum": 2}, "succeeded")


async def test_a_failed_run_says_why(house: House) -> None:
    key = await house.key("submit", "read")
    seat = await house.worker("demo.free")
    run_id = await submitted(house, key)
    await house.finish(await seat.offers.get(), error="it broke")
    told = (await house.ask("GET", f"/v1/runs/{run_id}", key=key)).told
    assert told["status"] == "failed"
    assert told["error"] == {"code": "BROKE", "message": "it broke", "retryable": False}
    assert told["attempts"][0]["error"]["message"] == "it broke"


async def test_a_deadline_beyond_every_calendar(house: House) -> None:
    key = await house.key("submit", "read", "tasks:write")
    declared = await house.ask("PUT", "/v1/tasks/my.patient", {"limits": {"deadline_s": 1e15}}, key=key)
    assert declared.status in (200, 422)
    if declared.status == 200:
        run_id = await submitted(house, key, "my.patient")
        told = (await house.ask("GET", f"/v1/runs/{run_id}", key=key)).told
        assert told["deadline_at"].startswith("9999-12-31")


async def test_pages_of_runs() -> None:
    async with open_house(clock=ManualClock()) as house:
        await house.define(FREE)
        await pages(house)


async def pages(house: House) -> None:
    """Newest first, page by page, filtered."""
    key = await house.key("submit", "read")
    clock = house.gateway.clock
    ids = []
    for number in range(5):
        assert isinstance(clock, ManualClock)
        clock.advance(0.01)
        ids.append(await submitted(house, key, labels={"n": str(number % 2)}))
    first = (await house.ask("GET", "/v1/runs?limit=2", key=key)).told
    second = (await house.ask("GET", f"/v1/runs?limit=2&cursor={first['cursor']}", key=key)).told
    third = (await house.ask("GET", f"/v1/runs?limit=2&cursor={second['cursor']}", key=key)).told
    assert [run["id"] for page in (first, second, third) for run in page["runs"]] == ids[::-1]
    assert third["cursor"] == ""
    assert "input" not in first["runs"][0]
    odd = (await house.ask("GET", "/v1/runs?label=n%3D1&status=queued&task=demo.free", key=key)).told
    assert [run["id"] for run in odd["runs"]] == [ids[3], ids[1]]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1000", "limit=x", "status=done", "cursor=abc", "label=x", "stauts=queued", "label==x"]
)
async def test_bad_questions_are_named(house: House, query: str) -> None:
    reply = await house.ask("GET", f"/v1/runs?{query}", key=await house.key("read"))
    assert (reply.status, reply.code) == (422, "INVALID_INPUT")
    assert query.partition("=")[0] in str(reply.told["parameter"])


async def test_waiting_for_many(house: House) -> None:
    key = await house.key("submit", "read")
    seat = await house.worker("demo.free")
    ids = [await submitted(house, key) for _ in range(3)]
    body = {"ids": [*ids, ids[0]], "timeout_s": 10}
    async with house.call("POST", "/v1/runs/wait", body, key=key) as line:
        tasks = {task.run_id: task for task in [await seat.offers.get() for _ in range(3)]}
        await house.finish(tasks[ids[1]], "x")
        await line.started.wait()
    assert [(run["id"], run["output"]) for run in line.reply.told["runs"]] == [(ids[1], "x")]
    nothing = await house.ask("POST", "/v1/runs/wait", {"ids": [ids[0]], "timeout_s": 0}, key=key)
    assert (nothing.status, nothing.told) == (200, {"runs": []})


@pytest.mark.parametrize(
    "body", [{"ids": []}, {"ids": ["x"] * 1001}, {"ids": [1]}, {}, {"ids": ["x"], "timeout_s": -1}, {"ids": "x"}]
)
async def test_waiting_for_nonsense(house: House, body: object) -> None:
    assert (await house.ask("POST", "/v1/runs/wait", body, key=await house.key("read"))).status == 422


async def test_a_closing_door_ends_waits(house: House) -> None:
    key = await house.key("submit", "read")
    run_id = await submitted(house, key)
    async with house.call("POST", "/v1/runs/wait", {"ids": [run_id], "timeout_s": 60}, key=key) as line:
        await asyncio.sleep(0.01)
        house.door.close()
        async with asyncio.timeout(5):
            await line.started.wait()
    assert line.reply.told == {"runs": []}


async def test_cancel_is_final(house: House) -> None:
    key = await house.key("submit", "read")
    run_id = await submitted(house, key)
    reply = await house.ask("POST", f"/v1/runs/{run_id}/cancel", key=key)
    assert (reply.status, reply.told["status"]) == (200, "cancelled")
    again = await house.ask("POST", f"/v1/runs/{run_id}/cancel", key=key)
    assert (again.status, again.code, again.told["run_status"]) == (409, "RUN_ENDED", "cancelled")


async def test_cancel_after_the_end_names_it(house: House) -> None:
    """INV-T9: 409 with the final state."""
    key = await house.key("submit", "read")
    seat = await house.worker("demo.free")
    run_id = await submitted(house, key)
    await house.finish(await seat.offers.get(), 1)
    reply = await house.ask("POST", f"/v1/runs/{run_id}/cancel", key=key)
    assert reply.status == 409
    # `status` of a problem is the HTTP status; the run's own stands in `run_status`
    assert (reply.told["status"], reply.told["run_status"]) == (409, "succeeded")


async def test_retry_makes_one_new_run(house: House) -> None:
    key = await house.key("submit", "read")
    run_id = await submitted(house, key)
    assert (await house.ask("POST", f"/v1/runs/{run_id}/retry", key=key)).status == 409
    await house.ask("POST", f"/v1/runs/{run_id}/cancel", key=key)
    reply = await house.ask("POST", f"/v1/runs/{run_id}/retry", key=key)
    assert reply.status == 202
    assert reply.headers["location"] == f"/v1/runs/{reply.told['id']}"
    assert (await house.ask("GET", reply.headers["location"], key=key)).told["retry_of"] == run_id
    again = await house.ask("POST", f"/v1/runs/{run_id}/retry", key=key)
    assert again.told["id"] == reply.told["id"]


async def test_why(house: House) -> None:
    key = await house.key("submit", "read")
    run_id = await submitted(house, key)
    told = (await house.ask("GET", f"/v1/runs/{run_id}/why", key=key)).told
    assert (told["id"], told["status"], told["waiting"]) == (run_id, "queued", True)
    assert told["reasons"][0]["code"] == "NO_WORKER"


async def dead_run(house: House, key: str) -> str:
    seat = await house.worker("demo.free", worker_id="w-dead")
    run_id = await submitted(house, key)
    await house.finish(await seat.offers.get(), error="broke")
    return run_id


async def test_dead_letters_are_listed_retried_and_deleted(house: House) -> None:
    key = await house.key("submit", "read")
    run_ids = [await dead_run(house, key) for _ in range(3)]
    for path in ("/v1/dead", "/v1/runs?dead=true"):
        listed = (await house.ask("GET", path, key=key)).told["runs"]
        assert {run["id"] for run in listed} == set(run_ids)
    unknown = "00000000-0000-7000-8000-000000000000"
    told = (await house.ask("POST", "/v1/dead/retry", {"ids": [run_ids[0], unknown]}, key=key)).told
    assert [run["task"] for run in told["runs"]] == ["demo.free"]
    assert [(row["id"], row["error"]["code"]) for row in told["refused"]] == [(unknown, "UNKNOWN_RUN")]
    assert (await house.ask("POST", "/v1/dead/purge", {"ids": [run_ids[1]]}, key=key)).told == {"purged": 1}
    left = (await house.ask("GET", "/v1/dead", key=key)).told["runs"]
    assert [run["id"] for run in left] == [run_ids[2]]
    assert (await house.ask("POST", "/v1/dead/purge", {"task": "demo.free"}, key=key)).told == {"purged": 1}


async def test_purging_needs_a_body_that_says_what(house: House) -> None:
    key = await house.key("submit", "read")
    assert (await house.ask("POST", "/v1/dead/purge", key=key)).status == 400
    assert (await house.ask("POST", "/v1/dead/purge", {"tsak": "x"}, key=key)).status == 422
