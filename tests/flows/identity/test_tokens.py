"""Own tokens: made of another credential, never more than it, signed with keys that change with time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest

from taskgate.errors import Forbidden, InvalidInput, Unauthenticated
from taskgate.fleet.ports import WorkerRecord
from taskgate.identity.signing import IdentitySigner
from taskgate.identity.token_keys import TokenKeys
from taskgate.testing.clock import ManualClock
from tests.edge.http.house import House, open_house


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def house(clock: ManualClock) -> AsyncIterator[House]:
    async with open_house(clock=clock) as opened:
        yield opened


async def made(house: House, key: str, **members: Any) -> dict[str, Any]:
    reply = await house.ask("POST", "/v1/tokens", members, key=key)
    assert reply.status == 201, reply.body
    told: dict[str, Any] = reply.told
    return told


async def test_a_token_is_what_its_key_is_or_less(house: House) -> None:
    key = await house.key("read", "submit", user="alice")
    told = await made(house, key, scopes=["read"])
    found = await house.gateway.keys.authenticate(told["token"])
    own = await house.gateway.keys.authenticate(key)
    assert (found.id, found.site_id, found.user_id, found.kind) == (own.id, own.site_id, "alice", own.kind)
    assert found.scopes == {"read"}
    for more in (["admin"], ["read", "worker"], ["tenant:assert"]):
        assert (await house.ask("POST", "/v1/tokens", {"scopes": more}, key=key)).status == 403
    again = await house.ask("POST", "/v1/tokens", {"scopes": ["submit"]}, key=told["token"])
    assert again.status == 403
    wrongs: list[dict[str, Any]] = [
        {"scopes": []}, {"scopes": ["fly"]}, {"life_s": 901}, {"life_s": 1}, {"life_s": 1e20},
    ]  # fmt: skip
    for wrong in wrongs:
        assert (await house.ask("POST", "/v1/tokens", wrong, key=key)).status == 422


async def test_a_token_of_a_worker_stays_that_workers(house: House) -> None:
    key = await house.key("worker")
    bound = (await made(house, key, worker_id="gpu-1"))["token"]
    found = await house.gateway.keys.authenticate(bound)
    assert found.worker_id == "gpu-1"
    refusal = await house.ask("POST", "/v1/tokens", {"worker_id": "gpu-2"}, key=bound)
    assert (refusal.status, refusal.code, refusal.told["worker_id"]) == (403, "WORKER_ID_BOUND", "gpu-1")
    next_one = await house.gateway.keys.authenticate((await made(house, bound))["token"])
    assert next_one.worker_id == "gpu-1"


async def test_s36_who_may_not_work_names_no_worker(house: House) -> None:
    key = await house.key("submit", "read")
    refusal = await house.ask("POST", "/v1/tokens", {"worker_id": "gpu-1"}, key=key)
    assert (refusal.status, refusal.code, refusal.told["scope"]) == (403, "FORBIDDEN", "worker")
    worker = await house.key("worker")
    for wrong in ("gpu 1", "*", "x" * 129):
        refusal = await house.ask("POST", "/v1/tokens", {"worker_id": wrong}, key=worker)
        assert (refusal.status, refusal.told["path"]) == (422, "/worker_id")


async def test_s09_no_store_is_asked_for_what_is_no_name(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    roster = type(house.gateway.stores.roster)
    monkeypatch.setattr(roster, "find", lambda _, worker_id: asked.append(worker_id))
    admin = await house.key("admin")
    for kind in ("token", "join"):
        refusal = await house.ask("POST", "/v1/tokens", {"kind": kind, "worker_id": "gpu\0"}, key=admin)
        assert (refusal.status, refusal.told["path"], asked) == (422, "/worker_id", [])


@pytest.mark.parametrize("kind", ["token", "join"])
async def test_s36_no_token_is_made_for_the_name_of_another_sites_worker(house: House, kind: str) -> None:
    """It is the same for one that serves every site: a name is of one site, or of all."""
    record = WorkerRecord(worker_id="gpu-1", site_id="acme", first_seen_at=1.0, last_seen_at=1.0)
    assert await house.gateway.stores.roster.save(record)
    asked: dict[str, Any] = {"kind": kind, "worker_id": "gpu-1", "scopes": ["worker"]}
    rights = ("admin",) if kind == "join" else ("worker", "serve:*")
    cases = [("globex", ["worker"], 403), ("acme", ["worker", "serve:*"], 403), ("acme", ["worker"], 201)]
    for site, scopes, status in cases:
        key = await house.key(*rights, site=site)
        more = {"site_id": site} if kind == "join" else {}
        reply = await house.ask("POST", "/v1/tokens", {**asked, **more, "scopes": scopes}, key=key)
        assert reply.status == status, (site, scopes)
        assert status == 201 or reply.code == "WORKER_ID_TAKEN"
    stranger = await house.ask(
        "POST", "/v1/tokens", {"kind": "join", "worker_id": "gpu-1"}, key=await house.key("read")
    )
    assert stranger.code == "FORBIDDEN", "nobody else learns which names there are"


async def test_a_quarter_of_an_hour_and_a_day(house: House, clock: ManualClock) -> None:
    """A token ends by time; changing one for the next goes on for a day."""
    key = await house.key("read")
    first = (await made(house, key))["token"]
    clock.advance(900.0 + 61.0)
    with pytest.raises(Unauthenticated):
        await house.gateway.keys.authenticate(first)
    token = (await made(house, key))["token"]
    for _ in range(107):
        clock.advance(800.0)
        token = (await made(house, token))["token"]
    clock.advance(795.0)
    refusal = await house.ask("POST", "/v1/tokens", {}, key=token)
    assert (refusal.status, refusal.code) == (401, "TOKEN_EXPIRED")
    assert (await house.ask("POST", "/v1/tokens", {}, key=key)).status == 201


async def test_inv_a5_a_token_ends_with_its_key(house: House) -> None:
    """Also on a stream that lives, and at once."""
    admin, key = await house.key("admin"), await house.key("read")
    token = (await made(house, key))["token"]
    principal = await house.gateway.keys.authenticate(token)
    assert house.gateway.entrance.tokens.recalled(token.encode()) == principal
    await house.gateway.keys.revoke(None, principal.id)
    assert house.gateway.entrance.tokens.recalled(token.encode()) is None
    assert (await house.ask("GET", "/v1/runs", key=token)).status == 401
    assert (await house.ask("GET", "/v1/runs", key=admin)).status == 200


async def test_f30_a_token_that_is_taken_back_ends_its_waits(house: House) -> None:
    admin, key = await house.key("admin"), await house.key("read", "submit")
    from tests.edge.http.house import FREE

    await house.define(FREE)
    told = await made(house, key)
    wait = [("Prefer", "wait=30"), ("X-API-Key", told["token"])]
    waiting = asyncio.create_task(house.ask("POST", "/v1/tasks/demo.free/runs", {"input": 1}, headers=wait))
    for _ in range(500):
        if house.door._live._open:
            break
        await asyncio.sleep(0.01)
    assert (await house.ask("POST", "/v1/tokens/revoke", {"token_id": told["id"]}, key=admin)).status == 204
    async with asyncio.timeout(5):
        assert (await waiting).status == 401
    assert (await house.ask("GET", "/v1/runs", key=key)).status == 200


async def test_f31_signing_keys_change_with_overlap(house: House, clock: ManualClock) -> None:
    """A token signed at the end of a day is good until its own end; anybody can check it with the published set."""
    key = await house.key("read")
    clock.advance(86_400.0 - clock.now() % 86_400.0 - 5.0)
    token = (await made(house, key))["token"]
    before = (await house.ask("GET", "/gateway/jwks.json")).told
    clock.advance(10.0)
    after = (await house.ask("GET", "/gateway/jwks.json")).told
    name = jwt.get_unverified_header(token)["kid"]
    later = jwt.get_unverified_header((await made(house, key))["token"])["kid"]
    assert name != later
    for document in (before, after):
        assert {name, later} <= {item["kid"] for item in document["keys"]}
        assert all(set(item) == {"kty", "crv", "use", "alg", "kid", "x"} for item in document["keys"])
    found = jwt.PyJWKSet.from_dict(after)[name]
    options: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
    claims = jwt.decode(token, found, algorithms=["EdDSA"], audience="taskgate", options=options)
    assert claims["iss"] == "taskgate"
    await house.gateway.keys.authenticate(token)
    clock.advance(900.0 + 300.0)
    gone = (await house.ask("GET", "/gateway/jwks.json")).told
    assert name not in {item["kid"] for item in gone["keys"]}


def test_every_gateway_with_the_root_makes_the_same_keys() -> None:
    root = bytes(range(32))
    one, two = (TokenKeys(IdentitySigner(root), rotate_s=3600.0, life_s=900.0) for _ in range(2))
    assert one.published(1e9) == two.published(1e9)
    other = TokenKeys(IdentitySigner(bytes(32)), rotate_s=3600.0, life_s=900.0)
    assert not set(one.verifying(1e9)) & set(other.verifying(1e9))


async def test_a_token_of_another_installation(house: House) -> None:
    async with open_house(clock=ManualClock()) as other:
        token = (await made(other, await other.key("admin")))["token"]
    assert (await house.ask("GET", "/v1/runs", key=token)).status == 401


async def test_only_administrators_invite_and_take_back(house: House) -> None:
    key = await house.key("read", "worker", "submit")
    principal = await house.gateway.keys.authenticate(key)
    assert (await house.ask("POST", "/v1/tokens", {"kind": "join"}, key=key)).status == 403
    assert (await house.ask("POST", "/v1/tokens/revoke", {"subject": principal.id}, key=key)).status == 403
    with pytest.raises(Forbidden):
        await house.gateway.entrance.invitations.redeem(principal, worker_id="w1")
    boss = await house.gateway.keys.authenticate(await house.key("admin"))
    wrongs: list[dict[str, Any]] = [
        {"scopes": ["admin"]}, {"scopes": []}, {"life_s": 3601.0}, {"site_id": "a b"}, {"worker_id": "/"},
    ]  # fmt: skip
    for wrong in wrongs:
        with pytest.raises(InvalidInput):
            await house.gateway.entrance.invitations.invite(boss, **wrong)


async def test_a_join_token_may_do_nothing_but_join(house: House) -> None:
    admin = await house.key("admin")
    token = (await made(house, admin, kind="join", site_id="acme"))["token"]
    for method, path in (("GET", "/v1/runs"), ("POST", "/v1/tokens"), ("GET", "/gateway/workers"), ("GET", "/v1/keys")):
        assert (await house.ask(method, path, {}, key=token)).status in (403, 422), path
    joined = await house.ask("POST", "/v1/tokens/join", {"worker_id": "gpu-1"}, key=token)
    assert (joined.status, joined.told["worker_id"], joined.told["scopes"]) == (201, "gpu-1", ["worker"])
    assert (await house.ask("POST", "/v1/tokens/join", {"worker_id": "gpu-1"}, key=token)).status == 401
