"""Calls that become runs: the body is the input, the answer is the run."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from taskgate.edge.http.live import Live
from taskgate.edge.http.task_door import TaskDoor
from taskgate.errors import Forbidden, InvalidInput, KeyReused, Malformed, NotFound, Unauthenticated
from taskgate.identity.principal import Principal
from taskgate.routes.ports import RunAnswer, RunDoor
from tests.edge.http.house import House

CALLER = Principal(id="k1", name="caller", scopes=frozenset({"submit", "read"}), site_id="acme", user_id="u1")
TRACE = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"


@pytest.fixture
async def live(house: House) -> Live:
    return Live(house.gateway.bus)


@pytest.fixture
def door(house: House, live: Live) -> RunDoor:
    return TaskDoor(house.gateway.intake, house.gateway.desk, live=live)


async def perform(door: RunDoor, *, task: str = "demo.free", by: Principal = CALLER, **options: Any) -> RunAnswer:
    asked = {"body": b'{"n":1}', "key": "", "wait_s": 0.0, "traceparent": TRACE, **options}
    return await door.perform(by, task, **asked)


def told(answer: RunAnswer) -> Any:
    return json.loads(answer.body)


async def test_a_call_is_answered_with_the_ended_run(house: House, door: RunDoor) -> None:
    seat = await house.worker("demo.free")
    calling = asyncio.create_task(perform(door, wait_s=5.0))
    offer = await seat.offers.get()
    assert bytes(offer.payload) == b'{"n":1}'
    assert offer.traceparent[:36] == TRACE[:36]
    assert offer.tenant == {"site_id": "acme", "user_id": "u1"}
    await house.finish(offer, {"m": 2})
    answer = await calling
    assert answer.status == 200
    assert (told(answer)["status"], told(answer)["output"]) == ("succeeded", {"m": 2})
    assert dict(answer.headers)[b"location"] == f"/v1/runs/{offer.run_id}".encode()
    assert dict(answer.headers)[b"content-type"] == b"application/json"


async def test_when_the_time_ends_the_run_goes_on(house: House, door: RunDoor) -> None:
    answer = await perform(door, wait_s=0.01)
    assert answer.status == 202
    location = dict(answer.headers)[b"location"].decode()
    key = await house.key("read", site="acme")
    assert (await house.ask("GET", location, key=key)).told["status"] == "queued"


async def test_the_same_key_finds_the_same_run(house: House, door: RunDoor) -> None:
    seat = await house.worker("demo.free")
    first = await perform(door, key="request-1")
    await house.finish(await seat.offers.get(), "done")
    again = await perform(door, key="request-1", wait_s=5.0)
    assert (again.status, told(again)["id"], told(again)["output"]) == (200, told(first)["id"], "done")
    assert dict(again.headers)[b"idempotent-replayed"] == b"true"
    with pytest.raises(KeyReused):
        await perform(door, key="request-1", body=b"2")


@pytest.mark.parametrize("body", [b"", b" \r\n"])
async def test_no_body_is_the_input_null(house: House, door: RunDoor, body: bytes) -> None:
    seat = await house.worker("demo.free")
    await perform(door, body=body)
    assert bytes((await seat.offers.get()).payload) == b"null"


@pytest.mark.parametrize("body", [b"{", b"a=1&b=2", b'"\xff"', b"1 2"])
async def test_a_body_that_is_no_json_is_refused(door: RunDoor, body: bytes) -> None:
    with pytest.raises(Malformed):
        await perform(door, body=body)


async def test_what_a_submit_checks_is_checked(door: RunDoor) -> None:
    with pytest.raises(InvalidInput):
        await perform(door, task="demo.echo", body=b'{"n":"one"}')
    with pytest.raises(NotFound):
        await perform(door, task="nobody.knows")
    with pytest.raises(NotFound):
        await perform(door, task="../runs")
    with pytest.raises(Forbidden):
        await perform(door, by=with_scopes(CALLER, frozenset({"read"})))
    with pytest.raises(Malformed):
        await perform(door, key="a\nb")


async def test_who_may_not_read_is_not_told_the_output(house: House, door: RunDoor) -> None:
    seat = await house.worker("demo.free")
    answer = await perform(door, by=with_scopes(CALLER, frozenset({"submit"})), wait_s=5.0)
    assert answer.status == 202
    await house.finish(await seat.offers.get(), "secret")


async def test_a_revoked_key_waits_no_longer(house: House, door: RunDoor) -> None:
    seat = await house.worker("demo.free")
    text = await house.key("submit", "read", site="acme")
    principal = await house.gateway.keys.authenticate(text)
    calling = asyncio.create_task(perform(door, by=principal, wait_s=30.0))
    await seat.offers.get()
    await house.gateway.keys.revoke(None, principal.id)
    with pytest.raises(Unauthenticated):
        await asyncio.wait_for(calling, 5.0)


async def test_a_closing_gateway_answers_at_once(house: House, door: RunDoor, live: Live) -> None:
    seat = await house.worker("demo.free")
    calling = asyncio.create_task(perform(door, wait_s=30.0))
    await seat.offers.get()
    live.close()
    assert (await asyncio.wait_for(calling, 5.0)).status == 202


async def test_a_caller_that_hangs_up_leaves_its_run_alone(house: House, door: RunDoor) -> None:
    seat = await house.worker("demo.free")
    calling = asyncio.create_task(perform(door, wait_s=30.0))
    offer = await seat.offers.get()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert seat.cancelled == []
    await house.finish(offer, "done")


def with_scopes(principal: Principal, scopes: frozenset[str]) -> Principal:
    return Principal(id=principal.id, name=principal.name, scopes=scopes, site_id=principal.site_id)
