"""Deeds at the door: written down before they happen and after, without secrets, or they do not happen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from taskgate.audit.chain import Link, Verifier
from taskgate.audit.entry import Deed, Entry
from taskgate.audit.recording import Audit
from taskgate.edge.http.auditing import DEEDS
from taskgate.errors import Unavailable
from taskgate.stores.memory.audit import MemoryAuditLog
from tests.edge.http.house import House


async def written(house: House, query: str = "") -> list[dict[str, Any]]:
    """What the log holds, oldest first."""
    reply = await house.ask("GET", f"/gateway/audit?limit=200{query}", key=await house.key("admin", name="auditor"))
    assert reply.status == 200, reply.body
    return list(reversed(reply.told["entries"]))


async def test_a_deed_is_told_with_who_from_where_and_what(house: House) -> None:
    admin = await house.key("admin", name="boss")
    made = await house.ask(
        "POST", "/v1/keys", {"name": "new", "scopes": ["read"]}, key=admin, headers=[("x-request-id", "r-1")]
    )
    begun, done = await written(house)
    assert [begun["outcome"], done["outcome"]] == ["begun", "done"]
    assert done["action"] == "key.create"
    assert done["subject"] == made.told["id"]
    assert done["detail"]["scopes"] == ["read"]
    assert done["request_id"] == "r-1"
    actor = done["actor"]
    assert (actor["name"], actor["site_id"], actor["address"]) == ("boss", "acme", house.address)
    assert admin.split("_")[1] == actor["id"]


async def test_deeds_of_every_kind(house: House) -> None:
    key, task = await house.key("admin"), "demo.free"
    run = (await house.ask("POST", f"/v1/tasks/{task}/runs", {"input": 1}, key=key)).told["id"]
    await house.ask("POST", f"/v1/runs/{run}/cancel", key=key)
    await house.ask("POST", f"/v1/runs/{run}/retry", key=key)
    await house.ask("PUT", "/v1/tasks/fresh", {"targets": [{"kind": "workers"}]}, key=key)
    await house.ask("DELETE", "/v1/tasks/fresh", key=key)
    await house.ask("POST", "/gateway/workers/nobody/drain", key=key)
    told = [
        (one["action"], one["outcome"], one["subject"]) for one in await written(house) if one["outcome"] != "begun"
    ]
    assert told == [
        ("run.cancel", "done", run),
        ("run.retry", "done", run),
        ("task.declare", "done", "fresh"),
        ("task.withdraw", "done", "fresh"),
        ("worker.drain", "refused", "nobody"),
    ]


async def test_inv_a6_no_secret_is_in_the_log(house: House) -> None:
    admin = await house.key("admin")
    made = (await house.ask("POST", "/v1/keys", {"name": "n", "scopes": ["read"]}, key=admin)).told
    fresh = (await house.ask("POST", f"/v1/keys/{made['id']}/rotate", {}, key=admin)).told
    await house.ask("DELETE", f"/v1/keys/{fresh['id']}", key=admin)
    await house.ask("POST", "/v1/keys", {"name": "x", "scopes": ["read"], "canary": "CANARY-1"}, key=admin)
    exported = (await house.ask("GET", "/gateway/audit/export", key=admin)).body.decode()
    assert exported.count("\n") == 8
    for secret in (made["key"], fresh["key"], admin, "CANARY-1"):
        assert secret not in exported
        assert secret.split("_", 2)[-1] not in exported  # a secret may hold an underscore itself


async def test_inv_a3_reading_it_needs_the_scope_admin(house: House) -> None:
    for path in ("/gateway/audit", "/gateway/audit/ends", "/gateway/audit/export"):
        assert (await house.ask("GET", path, key=await house.key("read", "submit"))).status == 403
        assert (await house.ask("GET", path)).status == 401


async def test_refused_attempts_are_written_but_nobody_fills_the_log(house: House) -> None:
    key = await house.key("read")
    for _ in range(25):
        assert (await house.ask("POST", "/v1/keys", {"name": "n", "scopes": ["admin"]}, key=key)).status == 403
    denied = await written(house)
    assert {(one["action"], one["outcome"]) for one in denied} == {("key.create", "denied")}
    assert len(denied) == house.gateway.settings.audit.denied_per_minute


async def test_the_export_can_be_verified_by_whoever_has_it(house: House) -> None:
    admin = await house.key("admin")
    for _ in range(3):
        await house.ask("POST", "/v1/keys", {"name": "n", "scopes": ["read"]}, key=admin)
    body = (await house.ask("GET", "/gateway/audit/export", key=admin)).body
    ends = (await house.ask("GET", "/gateway/audit/ends", key=admin)).told
    verifier = Verifier(Link(**ends["checkpoint"]))
    for line in body.splitlines():
        told = json.loads(line)
        content = line[line.index(b'"entry":') + 8 : -1]
        verifier.follow(Entry(told["seq"], content, told["hash"]))
    verifier.end(Link(**ends["head"]))
    assert (verifier.flaws, verifier.count) == ([], 6)
    behind = (await house.ask("GET", "/gateway/audit/export?after=4", key=admin)).body
    assert behind == b"".join(body.splitlines(keepends=True)[4:])


class AwayLog(MemoryAuditLog):
    """A log whose store goes away after so many writes."""

    def __init__(self, writes: int) -> None:
        super().__init__()
        self.writes = writes

    async def append(self, deeds: Sequence[Deed]) -> list[Entry]:
        if self.writes == 0:
            raise Unavailable("the disk is full", code="STORE_FULL")
        self.writes -= 1
        return await super().append(deeds)


@pytest.mark.parametrize(("writes", "keys"), [(0, 0), (1, 1)])
async def test_without_the_log_nothing_is_done(house: House, writes: int, keys: int) -> None:
    """Away before the deed: refused, nothing done. Away after it: refused too, and a beginning without an end."""
    admin = await house.key("admin")
    before = len(await house.gateway.keys.all())
    log = AwayLog(writes)
    house.door._admin.state.audit = Audit(log, house.gateway.clock, settings=house.gateway.settings.audit)
    reply = await house.ask("POST", "/v1/keys", {"name": "n", "scopes": ["read"]}, key=admin)
    assert (reply.status, reply.code) == (503, "AUDIT_AWAY")
    assert len(await house.gateway.keys.all()) == before + keys
    assert [entry.deed.outcome for entry in await log.chain(0, 9)] == ["begun"] * writes


async def test_reads_go_on_without_the_log(house: House) -> None:
    key = await house.key("admin")
    house.door._admin.state.audit = Audit(AwayLog(0), house.gateway.clock, settings=house.gateway.settings.audit)
    assert (await house.ask("GET", "/v1/keys", key=key)).status == 200
    assert (await house.ask("POST", "/v1/tasks/demo.free/runs", {"input": 1}, key=key)).status == 202


async def test_every_change_by_an_administrator_is_a_deed(house: House) -> None:
    """A new operation that changes something is either told to the log or named here."""
    untold = {"renewService", "createTicket", "submitRun", "submitRuns", "waitForRuns", "writeRunLog"}
    document = (await house.ask("GET", "/openapi.json", key=await house.key("admin", "serve:*"))).told
    changing = {
        operation["operationId"]
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method != "get" and not (path.startswith("/v1/tasks/demo.") and path.endswith("/runs"))
    }
    assert changing - set(DEEDS) - untold == set()


async def test_concurrent_deeds_make_one_chain(house: House) -> None:
    admin = await house.key("admin")
    await asyncio.gather(
        *(house.ask("POST", "/v1/keys", {"name": "n", "scopes": ["read"]}, key=admin) for _ in range(9))
    )
    assert [one["seq"] for one in await written(house)] == list(range(1, 19))


async def test_an_odd_name_keeps_no_deed_from_being_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL keeps no NUL in a text: a deed about one is told with its escape, and never answered with 503."""
    log = house.gateway.stores.audit
    append = log.append

    async def as_postgres(deeds: Sequence[Deed]) -> list[Entry]:
        for deed in deeds:
            if "\x00" in deed.subject + deed.actor.id + deed.request_id:
                raise Unavailable("22021")
        return await append(deeds)

    monkeypatch.setattr(log, "append", as_postgres)
    key = await house.key("admin", name="auditor")
    reply = await house.ask("POST", "/v1/tokens/revoke", {"subject": "a\u0000b"}, key=key)
    assert reply.status in (204, 422), reply.body
    told = await written(house, "&action=token.revoke")
    assert [one["outcome"] for one in told] == ["begun", "done" if reply.status == 204 else "refused"]
    if reply.status == 204:
        assert told[-1]["subject"] == r"a\x00b"
