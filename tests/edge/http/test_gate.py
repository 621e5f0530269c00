"""Who comes in: every route is shut before its body is read, and a wrong credential is never looked past."""

from __future__ import annotations

import pytest

from tests.edge.http.house import FREE, House, open_house

OPEN = {
    "/health", "/health/live", "/health/ready", "/docs", "/docs/page.css", "/docs/page.js", "/docs/swagger-ui.css",
    "/docs/swagger-ui-bundle.js", "/docs/favicon-32x32.png", "/docs/LICENSE",
    "/gateway/jwks.json",
}  # fmt: skip


NEW_DOORS = {
    "/v1/tokens", "/v1/tokens/join", "/v1/tokens/revoke", "/metrics", "/v1/queues", "/v1/gateways", "/gateway/history",
    "/gateway/history/export", "/gateway/audit", "/gateway/audit/ends", "/gateway/audit/export",
}  # fmt: skip


def concrete(template: str) -> str:
    """A path that the template matches."""
    known = {
        "task": "demo.free",
        "run_id": "00000000-0000-7000-8000-000000000000",
        "key_id": "a" * 12,
        "worker_id": "w1",
        "name": "math",
        "request_id": "request-1",
        "stream": "stdout",
    }
    for name, value in known.items():
        template = template.replace("{" + name + "}", value)
    assert "{" not in template
    return template


async def test_the_allow_list_is_short(house: House) -> None:
    """INV-A4: a path added to it has to be added here too."""
    assert house.door.open_paths == OPEN


async def test_every_route_is_shut(house: House) -> None:
    """INV-A4: the router is enumerated; without a credential each one answers 401 before a byte of the body."""
    shut = [(method, path) for method, path in house.door.routes() if path not in OPEN]
    assert len(shut) >= 20
    assert {path for _, path in shut} >= NEW_DOORS
    for method, template in shut:
        reply = await house.ask(method, concrete(template), b'{"input": 1}')
        assert (reply.status, reply.code, reply.read_bytes) == (401, "UNAUTHENTICATED", 0), template
        assert reply.headers["www-authenticate"] == 'Bearer realm="taskgate"'


async def test_unknown_addresses_are_shut_too(house: House) -> None:
    for path in (
        "/",
        "/nowhere",
        "/v1",
        "/docs/x",
        "/health/x",
        "/docs/../v1/runs",
        "/metrics",
        "/openapi.json",
        "/HEALTH",
    ):
        assert (await house.ask("GET", path)).status == 401


@pytest.mark.parametrize("path", sorted(OPEN))
async def test_open_paths_refuse_a_wrong_credential(house: House, path: str) -> None:
    """A credential that is present and wrong fails, it never falls through."""
    assert (await house.ask("GET", path)).status == 200
    assert (await house.ask("GET", path, key="tg_wrong")).status == 401


@pytest.mark.parametrize("scope", ["submit", "read", "worker", "register", "metrics", "tools:execute"])
async def test_each_scope_opens_its_own_routes_only(house: House, scope: str) -> None:
    """Every described scope is enforced: a key without it is refused before the body is read."""
    key = await house.key(scope)
    document = (await house.ask("GET", "/openapi.json", key=await house.key("admin"))).told
    checked = 0
    for method, template in house.door.routes():
        operation = document["paths"].get(template, {}).get(method.lower())
        if operation is None or "Needs the scope" not in operation.get("description", ""):
            continue
        needed = operation["description"].rpartition("Needs the scope `")[2].partition("`")[0]
        if needed == scope:
            continue
        house.address = f"198.51.100.{checked % 250}"
        reply = await house.ask(method, concrete(template), b"not even json", key=key)
        assert (reply.status, reply.read_bytes) == (403, 0), (method, template, reply.body)
        checked += 1
    assert checked >= 10


async def test_without_authentication_everybody_is_an_operator() -> None:
    async with open_house(auth_enabled=False) as house:
        await house.define(FREE)
        assert (await house.ask("POST", "/v1/tasks/demo.free/runs", {"input": 1})).status == 202
        assert (await house.ask("GET", "/v1/keys")).status == 200
        assert (await house.ask("GET", "/v1/runs", key="tg_wrong")).status == 401
        other = [("X-Site-Id", "elsewhere")]
        assert (await house.ask("GET", "/v1/runs", headers=other)).told["runs"] == []
