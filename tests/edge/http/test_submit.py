"""Submitting a run: what is accepted is durable and answered, what is refused is named and changes nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.edge.http.house import House

PATH = "/v1/tasks/demo.echo/runs"


async def run_count(house: House, key: str) -> int:
    return len((await house.ask("GET", "/v1/runs?limit=200", key=key)).told["runs"])


async def test_a_run_is_accepted(house: House) -> None:
    key = await house.key("submit", "read")
    reply = await house.ask("POST", PATH, {"input": {"n": 1}}, key=key)
    assert reply.status == 202
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["location"] == f"/v1/runs/{reply.told['id']}"
    assert reply.told["status"] == "queued"
    assert (reply.told["task"], reply.told["replayed"]) == ("demo.echo", False)
    assert abs((datetime.now(UTC) - datetime.fromisoformat(reply.told["created_at"])).total_seconds()) < 60
    stored = await house.ask("GET", reply.headers["location"], key=key)
    assert stored.told["input"] == {"n": 1}


async def test_the_same_key_gives_the_same_run(house: House) -> None:
    """INV-T3."""
    key = await house.key("submit", "read")
    headers = [("Idempotency-Key", '"a-1"')]
    first = await house.ask("POST", PATH, {"input": {"n": 1}}, key=key, headers=headers)
    again = await house.ask("POST", PATH, {"input": {"n": 1}}, key=key, headers=headers)
    assert again.status == first.status == 202
    assert again.told["id"] == first.told["id"]
    assert again.told["replayed"]
    assert again.headers["idempotent-replayed"] == "true"
    other = await house.ask("POST", PATH, {"input": {"n": 2}}, key=key, headers=headers)
    assert (other.status, other.code) == (422, "IDEMPOTENCY_KEY_REUSED")
    elsewhere = await house.key("submit", "read", site="other")
    foreign = await house.ask("POST", PATH, {"input": {"n": 2}}, key=elsewhere, headers=headers)
    assert foreign.status == 202
    assert await run_count(house, key) == 1


async def test_prefer_wait_answers_with_the_end(house: House) -> None:
    key = await house.key("submit", "read")
    seat = await house.worker("demo.echo")
    async with house.call("POST", PATH, {"input": {"n": 1}}, key=key, headers=[("Prefer", "wait=10")]) as line:
        task = await seat.offers.get()
        await house.finish(task, {"n": 1})
        await line.started.wait()
    assert line.reply.status == 200
    assert line.reply.headers["preference-applied"] == "wait=10"
    assert line.reply.headers["location"] == f"/v1/runs/{task.run_id}"
    assert (line.reply.told["status"], line.reply.told["output"]) == ("succeeded", {"n": 1})


async def test_prefer_wait_gives_up_in_time(house: House) -> None:
    key = await house.key("submit", "read")
    reply = await house.ask("POST", PATH, {"input": {"n": 1}}, key=key, headers=[("Prefer", "wait=0")])
    assert (reply.status, reply.headers["preference-applied"]) == (202, "wait=0")


async def test_waiting_on_an_ended_replay(house: House) -> None:
    key = await house.key("submit", "read")
    seat = await house.worker("demo.echo")
    headers = [("Idempotency-Key", "k"), ("Prefer", "wait=10")]
    await house.ask("POST", PATH, {"input": {"n": 1}}, key=key, headers=headers[:1])
    await house.finish(await seat.offers.get(), {"done": True})
    reply = await house.ask("POST", PATH, {"input": {"n": 1}}, key=key, headers=headers)
    assert (reply.status, reply.told["output"]) == (200, {"done": True})
    assert reply.told["attempts"][0]["outcome"] == "succeeded"


async def test_a_caller_that_hangs_up_loses_nothing(house: House) -> None:
    key = await house.key("submit", "read")
    seat = await house.worker("demo.echo")
    async with house.call("POST", PATH, {"input": {"n": 1}}, key=key, headers=[("Prefer", "wait=60")]) as line:
        await seat.offers.get()
        line.gone.set()
    assert line.reply.status == 0
    assert await run_count(house, key) == 1


@pytest.mark.parametrize(
    ("body", "status", "code", "path"),
    [
        ({"input": {"n": "one"}}, 422, "INVALID_INPUT", "/n"),
        ({"input": {}}, 422, "INVALID_INPUT", ""),
        ({"input": {"n": 1}, "callback_url": "https://x.example/"}, 422, "NOT_YET", "/callback_url"),
        ({"input": {"n": 1}, "priority": 10**9}, 422, "INVALID_INPUT", "/priority"),
        ({"input": {"n": 1}, "timeout_s": -1}, 422, "INVALID_INPUT", "/timeout_s"),
        ({"input": {"n": 1}, "deadline_s": 1e300}, 422, "INVALID_INPUT", "/deadline_s"),
        ({"input": {"n": 1}, "delay_s": -1}, 422, "INVALID_INPUT", "/delay_s"),
        ({"input": {"n": 1}, "surprise": 1}, 422, "INVALID_INPUT", ""),
        ({"input": {"n": 1}, "labels": {"a": 1}}, 422, "INVALID_INPUT", "/labels/..."),
        ({"n": 1}, 422, "INVALID_INPUT", ""),
        (b"{", 400, "BAD_JSON", None),
        (b"", 400, "BAD_JSON", None),
        (b'{"input":NaN}', 400, "BAD_JSON", None),
        (b'{"input":{"n":' + b"[" * 10**6 + b"]" * 10**6 + b"}}", 400, "TOO_DEEP", None),
        (b'{"input":{"n":1,"x":"' + b"x" * (768 << 10) + b'"}}', 413, "INPUT_TOO_LARGE", None),
    ],
)
async def test_bad_input_is_named_and_changes_nothing(
    house: House, body: object, status: int, code: str, path: str | None
) -> None:
    """F24: a clear problem each time."""
    key = await house.key("submit", "read")
    reply = await house.ask("POST", PATH, body, key=key)
    assert (reply.status, reply.code) == (status, code)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["gateway-error-source"] == "gateway"
    assert reply.told["message"] == reply.told["detail"]
    assert path is None or reply.told["path"] == path
    assert await run_count(house, key) == 0


@pytest.mark.parametrize("task", ["nobody.knows", "a" * 129, "a%20b", ".hidden", "ä", "a:b", "%2e%2e"])
async def test_an_unknown_task(house: House, task: str) -> None:
    key = await house.key("submit", "read")
    reply = await house.ask("POST", f"/v1/tasks/{task}/runs", {"input": 1}, key=key)
    assert (reply.status, reply.code) == (404, "UNKNOWN_TASK")


@pytest.mark.parametrize("value", ['""', "x" * 300, "a\tb"])
async def test_a_bad_idempotency_key(house: House, value: str) -> None:
    key = await house.key("submit", "read")
    reply = await house.ask("POST", PATH, {"input": {"n": 1}}, key=key, headers=[("Idempotency-Key", value)])
    assert (reply.status, reply.code) == (400, "BAD_IDEMPOTENCY_KEY")


async def test_two_idempotency_keys(house: House) -> None:
    key = await house.key("submit", "read")
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    reply = await house.ask("POST", PATH, {"input": {"n": 1}}, key=key, headers=headers)
    assert (reply.status, reply.code) == (400, "HEADER_TWICE")


async def test_the_scope_is_checked_before_the_body(house: House) -> None:
    reply = await house.ask("POST", PATH, {"input": {"n": 1}}, key=await house.key("read"))
    assert (reply.status, reply.code, reply.told["scope"], reply.read_bytes) == (403, "FORBIDDEN", "submit", 0)


async def test_a_delayed_run_is_scheduled(house: House) -> None:
    key = await house.key("submit", "read")
    for when in ({"delay_s": 60}, {"run_at": "2999-01-01T00:00:00Z"}, {"run_at": datetime.now(UTC).timestamp() + 60}):
        reply = await house.ask("POST", PATH, {"input": {"n": 1}, **when}, key=key)
        if when.get("run_at") == "2999-01-01T00:00:00Z":
            assert (reply.status, reply.told["path"]) == (422, "/run_at")
            continue
        stored = (await house.ask("GET", reply.headers["location"], key=key)).told
        assert stored["status"] == "scheduled"
        due_in_s = (datetime.fromisoformat(stored["due_at"]) - datetime.now(UTC)).total_seconds()
        assert 50 < due_in_s <= 60


async def test_an_input_is_carried_byte_for_byte(house: House) -> None:
    key = await house.key("submit", "read")
    reply = await house.ask("POST", "/v1/tasks/demo.free/runs", b'{"input": {"b" : 1.0,\n"a": 1e2, "b": 2} }', key=key)
    stored = await house.ask("GET", reply.headers["location"], key=key)
    assert b'"input":{"b" : 1.0,\n"a": 1e2, "b": 2}' in stored.body


async def test_a_trace_is_passed_on(house: House) -> None:
    key = await house.key("submit", "read")
    seat = await house.worker("demo.free")
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await house.ask("POST", "/v1/tasks/demo.free/runs", {"input": 1}, key=key, headers=[("traceparent", trace)])
    assert (await seat.offers.get()).traceparent[:36] == trace[:36]  # the same trace, below the attempt
    await house.ask("POST", "/v1/tasks/demo.free/runs", {"input": 1}, key=key)
    assert len((await seat.offers.get()).traceparent) == len(trace)


# ---------------------------------------------------------------- batches


BATCH = "/v1/tasks/demo.echo/runs/batch"


async def test_every_item_has_its_own_verdict(house: House) -> None:
    key = await house.key("submit", "read")
    items: list[object] = [
        {"input": {"n": 1}, "idempotency_key": "a"},
        {"input": {"n": "x"}},
        {"input": {"n": 2}, "idempotency_key": "a"},
        {"input": {"n": 1}, "idempotency_key": "a"},
        {"input": {"n": 3}, "priority": "high"},
        {"input": {"n": 4}, "idempotency_key": ""},
        7,
        {"input": {"n": 5}},
    ]
    reply = await house.ask("POST", BATCH, {"items": items}, key=key)
    assert reply.status == 200
    rows = reply.told["items"]
    assert [row["status"] for row in rows] == [202, 422, 422, 202, 422, 400, 422, 202]
    assert rows[1]["error"]["path"] == "/n"
    assert rows[2]["error"]["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert rows[3]["run"]["id"] == rows[0]["run"]["id"]
    assert rows[3]["run"]["replayed"]
    assert rows[4]["error"]["path"] == "/priority"
    assert (reply.told["accepted_count"], reply.told["refused_count"]) == (3, 5)
    assert await run_count(house, key) == 2


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"items": []}, 422, "INVALID_INPUT"),
        ({"items": [{"input": {"n": 1}}] * 1001}, 422, "INVALID_INPUT"),
        ({"items": {}}, 422, "INVALID_INPUT"),
        ({"items": [{"input": {"n": 1}}], "more": 1}, 422, "INVALID_INPUT"),
        (b'{"items":[{"input":{"n":1}},', 400, "BAD_JSON"),
        (b'{"items":[' + b"[" * 10**6, 400, "TOO_DEEP"),
    ],
)
async def test_a_bad_batch_changes_nothing(house: House, body: object, status: int, code: str) -> None:
    key = await house.key("submit", "read")
    reply = await house.ask("POST", BATCH, body, key=key)
    assert (reply.status, reply.code) == (status, code)
    assert await run_count(house, key) == 0


async def test_a_whole_batch(house: House) -> None:
    key = await house.key("submit", "read")
    reply = await house.ask("POST", BATCH, {"items": [{"input": {"n": n}} for n in range(1000)]}, key=key)
    assert reply.told["accepted_count"] == 1000
    assert len({row["run"]["id"] for row in reply.told["items"]}) == 1000


async def test_a_batch_has_no_key_of_its_own(house: House) -> None:
    key = await house.key("submit", "read")
    body = {"items": [{"input": {"n": 1}}]}
    reply = await house.ask("POST", BATCH, body, key=key, headers=[("Idempotency-Key", "x")])
    assert (reply.status, reply.code) == (400, "KEY_PER_ITEM")


async def test_a_batch_to_an_unknown_task(house: House) -> None:
    key = await house.key("submit", "read")
    reply = await house.ask("POST", "/v1/tasks/nobody.knows/runs/batch", {"items": [{"input": 1}]}, key=key)
    assert reply.told["items"][0]["error"]["code"] == "UNKNOWN_TASK"
    assert json.loads(reply.body)["accepted_count"] == 0
