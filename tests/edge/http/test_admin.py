"""The administrative API: tasks, workers, keys, tickets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from taskgate.errors import Unauthenticated
from tests.edge.http.house import House

DECLARED = {
    "description": "Doubles.",
    "input_schema": {"type": "object", "properties": {"n": {"type": "integer"}}},
    "examples": [{"n": 2}],
    "targets": [{"kind": "workers", "retries": 1, "labels": {"gpu": "yes"}}],
    "limits": {"deadline_s": 60},
}


async def test_a_task_is_declared_and_read(house: House) -> None:
    key = await house.key("tasks:write", "read", "submit")
    reply = await house.ask("PUT", "/v1/tasks/my.double", DECLARED, key=key)
    assert reply.status == 200
    told = (await house.ask("GET", "/v1/tasks/my.double", key=key)).told
    assert told == reply.told
    assert (told["description"], told["declared"], told["shared"]) == ("Doubles.", True, False)
    assert told["input_schema"] == DECLARED["input_schema"]
    assert told["examples"] == [{"n": 2}]
    assert (told["targets"][0]["retries"], told["limits"]["deadline_s"]) == (1, 60)
    assert "my.double" in [task["name"] for task in (await house.ask("GET", "/v1/tasks", key=key)).told["tasks"]]
    refused = await house.ask("POST", "/v1/tasks/my.double/runs", {"input": {"n": "x"}}, key=key)
    assert (refused.status, refused.told["path"]) == (422, "/n")
    assert (await house.ask("DELETE", "/v1/tasks/my.double", key=key)).status == 204
    assert (await house.ask("GET", "/v1/tasks/my.double", key=key)).status == 404


async def test_versions_stand_beside_each_other(house: House) -> None:
    key = await house.key("tasks:write", "read")
    for version in ("1", "2"):
        await house.ask("PUT", "/v1/tasks/my.task", {"version": version}, key=key)
    assert (await house.ask("GET", "/v1/tasks/my.task", key=key)).told["version"] == "2"
    assert (await house.ask("GET", "/v1/tasks/my.task?version=1", key=key)).told["version"] == "1"
    assert (await house.ask("GET", "/v1/tasks/my.task?version=3", key=key)).status == 404


@pytest.mark.parametrize(
    ("name", "body", "code", "path"),
    [
        ("my.task", {"input_schema": {"type": "nonsense"}}, "BAD_SCHEMA", None),
        ("my.task", {"input_schema": "text"}, "BAD_SCHEMA", None),
        ("my.task", {"input_schema": {"$ref": "https://evil.example/x"}}, "BAD_SCHEMA", None),
        ("my.task", {"targets": [{"kind": "celery"}]}, "NOT_YET", "/targets/0/kind"),
        ("my.task", {"targets": [{"kind": "magic"}]}, "INVALID_INPUT", "/targets/0/kind"),
        ("my.task", {"targets": [{"retires": 3}]}, "INVALID_INPUT", "/targets/0"),
        ("my.task", {"limits": {"deadline": 3}}, "INVALID_INPUT", "/limits"),
        ("my.task", {"nmae": "x"}, "INVALID_INPUT", ""),
        ("my.task", {"version": "a/b"}, "BAD_VERSION", None),
        ("bad%20name", {}, "BAD_TASK_NAME", None),
        ("x" * 129, {}, "BAD_TASK_NAME", None),
    ],
)
async def test_a_bad_definition_changes_nothing(
    house: House, name: str, body: object, code: str, path: str | None
) -> None:
    key = await house.key("tasks:write", "read")
    before = (await house.ask("GET", "/v1/tasks", key=key)).body
    reply = await house.ask("PUT", f"/v1/tasks/{name}", body, key=key)
    assert (reply.status, reply.code) == (422, code)
    assert path is None or reply.told["path"] == path
    assert (await house.ask("GET", "/v1/tasks", key=key)).body == before


async def test_workers_are_listed_and_drained(house: House) -> None:
    seat = await house.worker("demo.free", worker_id="w:1")
    told = (await house.ask("GET", "/gateway/workers", key=await house.key("read"))).told["workers"]
    assert told[0].keys() >= {
        "id", "kind", "transport", "tasks", "labels", "slots", "running", "load", "status", "last_heartbeat_at",
    }  # fmt: skip
    assert (told[0]["id"], told[0]["status"], told[0]["tasks"]) == ("w:1", "online", ["demo.free"])
    assert (await house.ask("POST", "/gateway/workers/w:1/drain", key=await house.key("read"))).status == 403
    admin = await house.key("admin")
    assert (await house.ask("POST", "/gateway/workers/w:1/drain", key=admin)).status == 202
    assert seat.drained
    assert (await house.ask("POST", "/gateway/workers/w:2/drain", key=admin)).code == "UNKNOWN_WORKER"


async def test_a_key_is_made_shown_once_and_revoked(house: House) -> None:
    admin = await house.key("admin")
    body = {"name": "ci", "scopes": ["read"], "site_id": "acme", "user_id": "u1"}
    made = await house.ask("POST", "/v1/keys", body, key=admin)
    assert made.status == 201
    text = made.told["key"]
    assert made.told["last4"] == text[-4:]
    listed = await house.ask("GET", "/v1/keys", key=admin)
    assert text.split("_", 2)[2] not in listed.body.decode()
    assert "ci" in [row["name"] for row in listed.told["keys"]]
    assert (await house.ask("GET", "/v1/runs", key=text)).status == 200
    assert (await house.ask("DELETE", f"/v1/keys/{made.told['id']}", key=admin)).status == 204
    assert (await house.ask("GET", "/v1/runs", key=text)).code == "KEY_REVOKED"
    assert (await house.ask("DELETE", "/v1/keys/nobodyknows0", key=admin)).code == "UNKNOWN_KEY"
    assert (await house.ask("DELETE", "/v1/keys/..", key=admin)).status in (404, 405)


async def test_a_rotated_key_may_overlap(house: House) -> None:
    admin = await house.key("admin")
    old = await house.key("read")
    path = f"/v1/keys/{old.split('_')[1]}/rotate"
    fresh = (await house.ask("POST", path, {"overlap_s": 60}, key=admin)).told
    for text in (old, fresh["key"]):
        assert (await house.ask("GET", "/v1/runs", key=text)).status == 200
    assert fresh["rotated_from"] == old.split("_")[1]
    newest = (await house.ask("POST", f"/v1/keys/{fresh['id']}/rotate", key=admin)).told
    assert (await house.ask("GET", "/v1/runs", key=fresh["key"])).status == 401
    assert (await house.ask("GET", "/v1/runs", key=newest["key"])).status == 200


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"scopes": ["root"]}, "/scopes"),
        ({"scopes": []}, "/scopes"),
        ({"name": ""}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"kind": "god"}, "/kind"),
        ({"site_id": "*"}, "/site_id"),
        ({"site_id": "a b"}, "/site_id"),
        ({"user_id": "a\r\nb"}, "/user_id"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": 1e300}, "/expires_at"),
        ({"expires_at": "9999-12-31T23:59:59Z"}, "/expires_at"),
    ],
)
async def test_a_bad_key_is_not_made(house: House, members: dict[str, object], path: str) -> None:
    admin = await house.key("admin")
    before = len((await house.ask("GET", "/v1/keys", key=admin)).told["keys"])
    reply = await house.ask("POST", "/v1/keys", {"name": "x", "scopes": ["read"], **members}, key=admin)
    assert (reply.status, reply.told["path"]) == (422, path)
    assert len((await house.ask("GET", "/v1/keys", key=admin)).told["keys"]) == before


async def test_a_key_may_expire(house: House) -> None:
    admin = await house.key("admin")
    moment = datetime.now(UTC) + timedelta(hours=1)
    for given in (moment.isoformat(), moment.timestamp()):
        made = (
            await house.ask("POST", "/v1/keys", {"name": "x", "scopes": ["read"], "expires_at": given}, key=admin)
        ).told
        assert datetime.fromisoformat(made["expires_at"]) == moment


async def test_a_ticket_works_once(house: House) -> None:
    """S23: 30 seconds, single use, and dead with its key."""
    key = await house.key("read", site="acme", user="u1")
    reply = await house.ask("POST", "/v1/tickets", key=key)
    assert reply.status == 201
    left_s = (datetime.fromisoformat(reply.told["expires_at"]) - datetime.now(UTC)).total_seconds()
    assert 25 < left_s <= 30
    tickets = house.gateway.keys.tickets
    principal = await tickets.redeem(reply.told["ticket"])
    assert (principal.site_id, principal.user_id) == ("acme", "u1")
    with pytest.raises(Unauthenticated):
        await tickets.redeem(reply.told["ticket"])
    second = (await house.ask("POST", "/v1/tickets", key=key)).told["ticket"]
    await house.gateway.keys.revoke(None, key.split("_")[1])
    with pytest.raises(Unauthenticated):
        await tickets.redeem(second)
