"""Tenants over HTTP: what is another's does not exist, for any verb on any object (INV-A1, INV-A2)."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import msgspec
import pytest

from tests.edge.http.house import FREE, House
from tests.edge.http.test_runs import submitted

UNKNOWN = "00000000-0000-7000-8000-000000000000"
VERBS = [
    ("GET", "/v1/runs/{id}", b""),
    ("GET", "/v1/runs/{id}/journal", b""),
    ("GET", "/v1/runs/{id}/why", b""),
    ("POST", "/v1/runs/{id}/cancel", b""),
    ("POST", "/v1/runs/{id}/retry", b""),
    ("POST", "/v1/runs/wait", b'{"ids":["{id}"],"timeout_s":0}'),
    ("POST", "/v1/dead/purge", b'{"ids":["{id}"]}'),
]


def asked(method: str, path: str, body: bytes, run_id: str) -> tuple[str, str, bytes]:
    return method, path.replace("{id}", run_id), body.replace(b"{id}", run_id.encode())


async def population(house: House) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Keys by who they are, and the runs of each: two sites, a user of one, queued, cancelled and dead ones."""
    keys = {
        "acme": await house.key("submit", "read", site="acme"),
        "acme/u1": await house.key("submit", "read", site="acme", user="u1"),
        "acme/u2": await house.key("submit", "read", site="acme", user="u2"),
        "globex": await house.key("submit", "read", site="globex"),
        "globex/u1": await house.key("submit", "read", site="globex", user="u1"),
    }
    runs: dict[str, list[str]] = {}
    seat = await house.worker("demo.free")
    for who, key in keys.items():
        dead = await submitted(house, key, labels={"of": who})
        await house.finish(await seat.offers.get(), error="broke")
        gone = await submitted(house, key, labels={"of": who}, delay_s=100)
        await house.ask("POST", f"/v1/runs/{gone}/cancel", key=key)
        runs[who] = [dead, gone, await submitted(house, key, labels={"of": who}, delay_s=100)]
    return keys, runs


def may_see(who: str, owner: str) -> bool:
    """A site's key sees its whole site, a key bound to a user that user's runs alone."""
    return owner == who or ("/" not in who and owner.startswith(who))


async def test_foreign_objects_do_not_exist(house: House) -> None:
    """INV-A1: tenant x object x verb; a foreign id and an unknown id give the same answer, to the byte."""
    keys, runs = await population(house)
    before = {owner: await told_of(house, keys[owner], ids) for owner, ids in runs.items()}
    triples = [
        (who, run_id, verb)
        for who, (owner, ids), verb in itertools.product(keys, runs.items(), VERBS)
        if not may_see(who, owner)
        for run_id in ids
    ]
    random.Random(1).shuffle(triples)
    assert len(triples) >= 300
    for who, run_id, verb in triples:
        foreign = await house.ask(*asked(*verb, run_id), key=keys[who])
        missing = await house.ask(*asked(*verb, UNKNOWN), key=keys[who])
        assert foreign.status == missing.status == 404
        assert sameness(foreign.told, run_id) == sameness(missing.told, UNKNOWN)
    assert {owner: await told_of(house, keys[owner], ids) for owner, ids in runs.items()} == before


async def told_of(house: House, key: str, run_ids: list[str]) -> list[Any]:
    return [(await house.ask("GET", f"/v1/runs/{run_id}", key=key)).told for run_id in run_ids]


def sameness(problem: dict[str, Any], run_id: str) -> str:
    """The problem without what must differ: the trace, and the id that the caller sent itself."""
    return json.dumps({**problem, "trace_id": ""}).replace(run_id, "")


async def test_lists_hold_nothing_foreign(house: House) -> None:
    """INV-A1: no read, no count; dead letters and labels too."""
    keys, runs = await population(house)
    for who, key in keys.items():
        visible = {run_id for owner, ids in runs.items() if may_see(who, owner) for run_id in ids}
        listed = (await house.ask("GET", "/v1/runs?limit=200", key=key)).told["runs"]
        assert {run["id"] for run in listed} == visible
        for foreign in runs:
            found = (await house.ask("GET", f"/v1/runs?label=of%3D{foreign}", key=key)).told["runs"]
            assert {run["id"] for run in found} == (set(runs[foreign]) if may_see(who, foreign) else set())
        dead = (await house.ask("GET", "/v1/dead", key=key)).told["runs"]
        assert {run["id"] for run in dead} == {ids[0] for owner, ids in runs.items() if may_see(who, owner)}


async def test_an_idempotency_key_hands_nothing_over(house: House) -> None:
    """INV-A1: another user of the site with the same key and body gets no run of the first one."""
    first = await house.key("submit", "read", user="u1")
    second = await house.key("submit", "read", user="u2")
    headers = [("Idempotency-Key", "same")]
    path = "/v1/tasks/demo.free/runs"
    made = await house.ask("POST", path, {"input": 1}, key=first, headers=headers)
    reply = await house.ask("POST", path, {"input": 1}, key=second, headers=headers)
    assert (reply.status, reply.code) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert made.told["id"] not in reply.body.decode()


async def test_purging_all_purges_the_own(house: House) -> None:
    keys, runs = await population(house)
    purged = (await house.ask("POST", "/v1/dead/purge", {}, key=keys["globex/u1"])).told
    assert purged == {"purged": 1}
    for owner in ("acme", "acme/u1", "globex"):
        assert (await house.ask("GET", f"/v1/runs/{runs[owner][0]}", key=keys[owner])).status == 200


async def test_retrying_all_retries_the_own(house: House) -> None:
    keys, _ = await population(house)
    told = (await house.ask("POST", "/v1/dead/retry", {}, key=keys["globex/u1"])).told
    assert len(told["runs"]) == 1
    again = (await house.ask("GET", f"/v1/runs/{told['runs'][0]['id']}", key=keys["globex/u1"])).told
    assert again["tenant"] == {"site_id": "globex", "user_id": "u1", "app_id": ""}


async def test_a_mixed_wait_tells_nothing(house: House) -> None:
    keys, runs = await population(house)
    body = {"ids": [runs["acme"][0], runs["globex"][0]], "timeout_s": 0}
    reply = await house.ask("POST", "/v1/runs/wait", body, key=keys["acme"])
    assert (reply.status, reply.code) == (404, "UNKNOWN_RUN")


async def test_equal_names_on_two_sites(house: House) -> None:
    """INV-A1: the same task name and the same idempotency key on two sites are two things."""
    for site in ("acme", "globex"):
        await house.define(msgspec_copy(site), site=site)
    for site in ("acme", "globex"):
        key = await house.key("submit", "read", site=site)
        told = (await house.ask("GET", "/v1/tasks/same.name", key=key)).told
        assert told["description"] == f"of {site}"
        document = (await house.ask("GET", "/openapi.json", key=key)).body.decode()
        assert f"of {site}" in document
        assert f"of {'globex' if site == 'acme' else 'acme'}" not in document
    stranger = await house.key("read", "submit", site="third")
    assert (await house.ask("GET", "/v1/tasks/same.name", key=stranger)).status == 404
    assert (await house.ask("POST", "/v1/tasks/same.name/runs", {"input": 1}, key=stranger)).code == "UNKNOWN_TASK"


def msgspec_copy(site: str) -> Any:
    return msgspec.structs.replace(FREE, name="same.name", description=f"of {site}", site_id=site)


async def test_another_sites_worker_is_not_listed(house: House) -> None:
    await house.worker("demo.free", site="globex", worker_id="g1")
    await house.worker("demo.free", site="acme", worker_id="a1")
    listed = (await house.ask("GET", "/gateway/workers", key=await house.key("read", site="acme"))).told["workers"]
    assert [worker["id"] for worker in listed] == ["a1"]
    operator = (await house.ask("GET", "/gateway/workers", key=await house.key("admin"))).told["workers"]
    assert {worker["id"] for worker in operator} == {"a1", "g1"}


@pytest.mark.parametrize(
    "body",
    [
        {"input": 1, "site_id": "globex"},
        {"input": 1, "tenant": {"site_id": "globex"}},
        {"input": 1, "user_id": "u2"},
    ],
)
async def test_a_tenant_in_a_body_is_refused(house: House, body: object) -> None:
    """INV-A2: names in a body never move a caller."""
    key = await house.key("submit", "read", user="u1")
    reply = await house.ask("POST", "/v1/tasks/demo.free/runs", body, key=key)
    assert (reply.status, reply.code) == (422, "INVALID_INPUT")


async def test_a_tenant_in_a_query_is_refused(house: House) -> None:
    """INV-A2."""
    key = await house.key("submit", "read")
    for query in ("site_id=globex", "user_id=u2", "X-Site-Id=globex"):
        assert (await house.ask("GET", f"/v1/runs?{query}", key=key)).status == 422


async def test_a_tenant_in_labels_or_input_is_only_text(house: House) -> None:
    key = await house.key("submit", "read", user="u1")
    body = {"input": {"site_id": "globex"}, "labels": {"site_id": "globex", "user_id": "u2"}}
    reply = await house.ask("POST", "/v1/tasks/demo.free/runs", body, key=key)
    told = (await house.ask("GET", reply.headers["location"], key=key)).told
    assert told["tenant"] == {"site_id": "acme", "user_id": "u1", "app_id": ""}


async def test_a_platform_asserts_per_request(house: House) -> None:
    """INV-A2: with `tenant:assert`, and for one request at a time."""
    platform = await house.key("submit", "read", "tenant:assert", site="platform")
    headers = [("X-Site-Id", "acme"), ("X-User-Id", "u7"), ("X-App-Id", "chat")]
    reply = await house.ask("POST", "/v1/tasks/demo.free/runs", {"input": 1}, key=platform, headers=headers)
    location = reply.headers["location"]
    assert (await house.ask("GET", location, key=platform)).status == 404
    told = (await house.ask("GET", location, key=platform, headers=headers)).told
    assert told["tenant"] == {"site_id": "acme", "user_id": "u7", "app_id": "chat"}
    other = [("X-Site-Id", "acme"), ("X-User-Id", "u8")]
    assert (await house.ask("GET", location, key=platform, headers=other)).status == 404
    assert (await house.ask("GET", location, key=await house.key("read", site="acme"))).status == 200
    assert (await house.ask("GET", location, key=await house.key("read", site="acme", user="u8"))).status == 404
