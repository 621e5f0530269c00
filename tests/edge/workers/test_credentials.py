"""Credentials of links that live: they end by time, are replaced on the link, and are taken back (INV-A5, F30)."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import Any

import grpc
import pytest

from taskgate.edge.workers import session
from taskgate.errors import Unauthenticated
from taskgate.identity import tokens
from taskgate.wire import gateway_pb2 as pb
from taskgate.wire import messages as m
from tests.edge.workers.doors import Doors, Worker

UNAUTHENTICATED = 16
SHORT_S = 1.5


@pytest.fixture(autouse=True)
def short_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens may live for a second and a half, and a link half a second longer."""
    monkeypatch.setattr(tokens, "MIN_LIFE_S", 0.1)
    monkeypatch.setattr(session, "EXPIRED_S", 0.5)


async def token_of(doors: Doors, key: str, **how: Any) -> tuple[str, str]:
    """A token made of a key, and the name that takes it back."""
    entrance = doors.server.gateway.entrance
    text, made = await entrance.tokens.exchange(await entrance.keys.authenticate(key), **how)
    return text, made.token_id


async def linked(doors: Doors, door: str, key: str) -> Worker:
    worker = await doors.dial(door, key=key)
    await worker.hello()
    return worker


def seat_of(doors: Doors) -> Any:
    return doors.server.gateway.fleet.find("w1")


async def test_a_token_is_replaced_on_its_link_and_leases_stay(
    doors: Doors, door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind its end nothing is offered; with a fresh one work goes on over the same link, and what is held is held."""
    monkeypatch.setattr(session, "EXPIRED_S", 60.0)
    short, _ = await token_of(doors, doors.worker_key, life_s=SHORT_S)
    worker = await linked(doors, door, short)
    first = await doors.submit()
    task = await worker.begin()
    await doors.until(lambda: seat_of(doors).draining)
    second = await doors.submit()
    assert (await doors.run(second)).status == "queued"
    fresh, _ = await token_of(doors, short)
    await worker.wire.say(m.Credential(token=fresh))
    later = await worker.begin()
    assert (task.run_id, later.run_id) == (first, second)
    for each in (task, later):
        assert (await worker.finish(each, {"n": 1})).verdict == "applied"
    assert (await doors.run(first)).attempt == 1
    await worker.wire.close()


async def test_a_link_ends_a_while_behind_its_token_and_the_lease_outlives_it(doors: Doors, door: str) -> None:
    short, _ = await token_of(doors, doors.worker_key, life_s=SHORT_S)
    worker = await linked(doors, door, short)
    run_id = await doors.submit()
    task = await worker.begin()
    assert await worker.wire.status() == UNAUTHENTICATED
    again = await doors.dial(door)
    receipt = m.Receipt(run_id=task.run_id, attempt=task.attempt, lease_token=task.lease_token)
    welcome = await again.hello(held=[receipt])
    assert welcome.lost == []
    assert (await again.finish(task, {"n": 1})).verdict == "applied"
    assert (await doors.run(run_id)).attempt == 1
    await again.wire.close()


@pytest.mark.parametrize("what", ["token", "subject", "key"])
async def test_inv_a5_what_is_taken_back_ends_its_link(doors: Doors, door: str, what: str) -> None:
    """At once, and what it held goes to another."""
    key = await doors.house.key("worker", "serve:*", name="to be taken back")
    text, token_id = await token_of(doors, key)
    key_id, gateway = key.split("_")[1], doors.server.gateway
    worker = await linked(doors, door, text)
    run_id = await doors.submit()
    await worker.begin()
    if what == "key":
        await gateway.keys.revoke(None, key_id)
    else:
        await gateway.entrance.tokens.take_back(token_id if what == "token" else key_id)
    async with asyncio.timeout(5):
        assert await worker.wire.status() == UNAUTHENTICATED
    other = await doors.dial(door, "w2")
    await other.hello("w2")
    assert (await other.begin()).run_id == run_id
    await other.wire.close()


async def test_inv_a5_the_token_that_replaced_another_is_the_links_own(doors: Doors, door: str) -> None:
    """Taking back the one of before ends nothing; taking back the one of now ends it."""
    first, first_id = await token_of(doors, doors.worker_key)
    second, second_id = await token_of(doors, doors.worker_key)
    worker = await linked(doors, door, first)
    await worker.wire.say(m.Credential(token=second))
    await doors.until(lambda: seat_of(doors).token_id == second_id)
    await doors.server.gateway.entrance.tokens.take_back(first_id)
    await doors.submit()
    await worker.finish(await worker.begin(), {"n": 1})
    await doors.server.gateway.entrance.tokens.take_back(second_id)
    assert await worker.wire.status() == UNAUTHENTICATED


@pytest.mark.parametrize("wrong", ["site", "scope", "worker", "sites", "text", "join"])
async def test_s36_no_other_credential_takes_a_link_over(doors: Doors, door: str, wrong: str) -> None:
    """Another tenant's, one that is no worker's, another worker's, one that serves fewer sites than the link does."""
    house, admin = doors.house, await doors.house.key("admin")
    made = {
        "site": await house.key("worker", "serve:*", site="globex"),
        "scope": await house.key("read", "submit", "serve:*"),
        "worker": (await token_of(doors, doors.worker_key, worker_id="w9"))[0],
        "sites": await house.key("worker"),
        "text": "x.y.z",
        "join": json.loads((await house.ask("POST", "/v1/tokens", {"kind": "join"}, key=admin)).body)["token"],
    }
    worker = await linked(doors, door, doors.worker_key)
    await worker.wire.say(m.Credential(token=made[wrong]))
    assert await worker.wire.status() == UNAUTHENTICATED


async def test_a_polling_worker_is_known_by_the_token_of_its_last_call(doors: Doors) -> None:
    """Its seat stands between calls: taking back the token of its last call ends it, the one before does not matter."""
    request = pb.PollRequest(worker_id="w1", capabilities=["demo.echo"], wait_s=0.0).SerializeToString()
    take_back = doors.server.gateway.entrance.tokens.take_back
    made = [await token_of(doors, doors.worker_key) for _ in range(2)]
    for text, token_id in made:
        await doors.call("Poll", request, metadata=[("x-api-key", text)])
        assert seat_of(doors).token_id == token_id
    (_, first), (last_text, last) = made
    await take_back(first)
    await doors.call("Poll", request, metadata=[("x-api-key", last_text)])
    await take_back(last)
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await doors.call("Poll", request, metadata=[("x-api-key", last_text)])
    assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_inv_a5_a_poll_that_waits_ends_with_its_token(doors: Doors) -> None:
    text, token_id = await token_of(doors, doors.worker_key)
    request = pb.PollRequest(worker_id="w1", capabilities=["demo.echo"], wait_s=30.0).SerializeToString()
    waiting = asyncio.create_task(doors.call("Poll", request, metadata=[("x-api-key", text)]))
    await doors.until(lambda: seat_of(doors) is not None and seat_of(doors).credit > 0)
    await doors.server.gateway.entrance.tokens.take_back(token_id)
    async with asyncio.timeout(5):
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await waiting
    assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_token_is_renewed_on_its_link(doors: Doors, door: str) -> None:
    """Asked for with an empty one: the same rights for another while, and the one before ends nothing."""
    tokens_of, key = doors.server.gateway.entrance.tokens, doors.worker_key
    text, token_id = await token_of(doors, key, worker_id="w1")
    worker = await linked(doors, door, text)
    first = await tokens_of.authenticate(text)
    fresh = m.Credential(token=text)
    for generation in (1, 2):
        await worker.wire.say(m.Credential(token=""))
        fresh = await worker.until(m.Credential)
        found = await tokens_of.authenticate(fresh.token)
        assert (found.id, found.scopes, found.worker_id, found.site_id) == (
            first.id, first.scopes, "w1", first.site_id,
        )  # fmt: skip
        assert found.token_id.startswith(f"{token_id}.{generation}.")
        assert (found.until, found.issued_at) == (first.until, first.issued_at)
        assert seat_of(doors).token_id == found.token_id
    again = await doors.dial(door, "w1", key=fresh.token)
    await again.hello()
    await doors.submit()
    await again.finish(await again.begin(), {"n": 1})
    await again.wire.close()


@pytest.mark.parametrize("which", ["first", "later", "subject", "key"])
async def test_inv_a5_what_was_taken_back_has_no_descendants(doors: Doors, door: str, which: str) -> None:
    """Neither on its link nor made out of it elsewhere, later or by a gateway that has not heard."""
    entrance = doors.server.gateway.entrance
    key = await doors.house.key("worker", "serve:*", name="to be taken back")
    text, token_id = await token_of(doors, key, worker_id="w1")
    first = await entrance.tokens.authenticate(text)
    worker = await linked(doors, door, text)
    await worker.wire.say(m.Credential(token=""))
    renewed = (await worker.until(m.Credential)).token
    child, _ = await entrance.tokens.exchange(await entrance.keys.authenticate(renewed), life_s=100)
    later, holder = (await entrance.keys.authenticate(renewed)).token_id, seat_of(doors)
    if which == "key":
        await entrance.keys.revoke(None, key.split("_")[1])
    else:
        await entrance.tokens.take_back({"first": token_id, "later": later, "subject": first.id}[which])
    assert holder.seat.closed is not None
    assert await worker.wire.status() == UNAUTHENTICATED
    for ended in (renewed, child):
        with pytest.raises(Unauthenticated):
            await entrance.keys.authenticate(ended)
    if which == "later":
        assert (await entrance.keys.authenticate(text)).token_id == token_id
        return
    unheard, _ = await unhearing(entrance.tokens).exchange(first, life_s=100)
    with pytest.raises(Unauthenticated):
        await entrance.keys.authenticate(unheard)
    if which != "key":
        again, _ = await unhearing(entrance.tokens).renew(first, worker_id="w1")
        with pytest.raises(Unauthenticated):
            await entrance.keys.authenticate(again)
    with pytest.raises(Unauthenticated):
        await entrance.tokens.renew(first, worker_id="w1")


def unhearing(made: tokens.Tokens) -> tokens.Tokens:
    """The same signer at a gateway that has not heard of any revocation."""
    deaf = copy.copy(made)
    deaf.refuses = lambda principal: False  # type: ignore[method-assign]
    return deaf


@pytest.mark.parametrize("what", ["key", "fast", "worn"])
async def test_what_cannot_be_renewed_is_told_and_the_link_lives_on(
    doors: Doors, door: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key, a token that is asked for again and again, one that was changed long enough."""
    entrance = doors.server.gateway.entrance
    if what == "worn":
        monkeypatch.setattr(entrance.tokens, "_worker_chain_s", 20.0)
    text = doors.worker_key if what == "key" else (await token_of(doors, doors.worker_key, worker_id="w1"))[0]
    worker = await linked(doors, door, text)
    if what == "worn":
        monkeypatch.setattr(tokens, "MIN_LIFE_S", 30.0)
    for _ in range(5 if what == "fast" else 1):
        await worker.wire.say(m.Credential(token=""))
    failure: m.Failure = await worker.until(m.Failure)
    assert failure.code == {"key": "NOT_RENEWABLE", "fast": "RATE_LIMITED", "worn": "TOKEN_EXPIRED"}[what]
    await doors.submit()
    await worker.finish(await worker.begin(), {"n": 1})
    await worker.wire.close()
