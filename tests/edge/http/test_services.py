"""Services over HTTP: the promised bodies, what each caller sees, and refusals that name their place."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from taskgate.routes.registry import NEVER_RENEWED
from taskgate.testing.clock import ManualClock
from tests.edge.http.house import House, open_house

KIT: dict[str, Any] = {
    "name": "ai-math-service",
    "base_url": "http://127.0.0.1:8082",
    "routes": [
        {
            "name": "ai-math-add",
            "method": "POST",
            "gateway_path": "/v1/ai/math/add",
            "upstream_path": "/api/add",
            "summary": "Adds two numbers",
            "description": "a + b",
        }
    ],
}


async def test_the_body_of_the_first_kit_works_unchanged(house: House) -> None:
    key = await house.key("register", "read")
    reply = await house.ask("POST", "/gateway/register", KIT, key=key)
    assert reply.status == 200
    answer = reply.told
    assert answer.pop("identity_secret").startswith("tgi_")
    assert answer == {
        "service": "ai-math-service",
        "routes": ["POST /v1/ai/math/add"],
        "lease_s": 30.0,
        "renew_after_s": 10.0,
        "warnings": [
            "POST /v1/ai/math/add has no example",
            NEVER_RENEWED.format(30),
        ],
    }
    routes = (await house.ask("GET", "/gateway/routes", key=key)).told["routes"]
    assert len(routes) == 1
    told = {name: routes[0][name] for name in KIT["routes"][0]}
    assert told == KIT["routes"][0]
    assert routes[0]["service"] == "ai-math-service"


async def test_everything_that_can_be_said(house: House) -> None:
    policy = {
        "scope": "read",
        "rate_limits": [{"rate": 5.0, "burst": 10.0, "per": "tenant"}],
        "timeouts": {"connect_s": 1.0},
        "breaker": {"failures": 3},
        "retry": {"count": 2},
        "fallback": {"on": ["connect"], "to": [{"task": "demo.echo"}]},
    }
    route = {
        "name": "add", "method": "post", "gateway_path": "/add", "upstream_path": "/api/add", "summary": "adds",
        "request_example": {"a": 1.50}, "response_example": None, "policy": policy,
    }  # fmt: skip
    document = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {}}
    body = {
        "name": "math", "base_url": "http://127.0.0.1:8082/x/", "prefix": "/team", "openapi": document,
        "routes": [route], "lease_s": 60, "shared": False, "policy": policy,
    }  # fmt: skip
    key = await house.key("register", "read")
    reply = await house.ask("POST", "/gateway/register", body, key=key)
    assert (reply.status, reply.told["warnings"], reply.told["renew_after_s"]) == (200, [], 20.0)
    service = (await house.ask("GET", "/gateway/services", key=key)).told["services"][0]
    assert (service["base_url"], service["prefix"], service["has_document"]) == (
        "http://127.0.0.1:8082/x", "/team", True
    )  # fmt: skip
    assert (service["status"], service["stale"], service["stale_since"]) == ("up", False, None)
    assert service["health"] == {"state": "closed", "failures": 0, "last_error": ""}
    assert service["policy"]["timeouts"] == {"connect_s": 1.0}
    told = (await house.ask("GET", "/gateway/routes", key=key)).told["routes"][0]
    assert told["policy"] == service["policy"]
    assert told["request_example"] == {"a": 1.5}


@pytest.mark.parametrize("openapi", ["openapi: 3.1.0\ninfo: {title: t, version: '1'}\npaths: {/a: {get: {}}}", {
    "openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"get": {}}}
}])  # fmt: skip
async def test_a_document_as_text_or_as_json(house: House, openapi: object) -> None:
    key = await house.key("register")
    body = {"name": "a", "base_url": "http://127.0.0.1:8082", "openapi": openapi}
    reply = await house.ask("POST", "/gateway/register", body, key=key)
    assert (reply.status, reply.told["routes"]) == (200, ["GET /a"])


async def test_renew_and_withdraw(house: House) -> None:
    key = await house.key("register", "read")
    await house.ask("POST", "/gateway/register", KIT, key=key)
    reply = await house.ask("PUT", "/gateway/services/ai-math-service/lease", key=key)
    assert (reply.status, reply.told) == (
        200, {"service": "ai-math-service", "lease_s": 30.0, "renew_after_s": 10.0}
    )  # fmt: skip
    assert (await house.ask("DELETE", "/gateway/services/ai-math-service", key=key)).status == 204
    for method, path in (("DELETE", ""), ("PUT", "/lease")):
        gone = await house.ask(method, f"/gateway/services/ai-math-service{path}", key=key)
        assert (gone.status, gone.code) == (404, "UNKNOWN_SERVICE")
    assert (await house.ask("GET", "/gateway/services", key=key)).told == {"services": []}


async def test_a_conflict_names_the_owner(house: House) -> None:
    key = await house.key("register")
    await house.ask("POST", "/gateway/register", KIT, key=key)
    reply = await house.ask("POST", "/gateway/register", {**KIT, "name": "thief"}, key=key)
    assert (reply.status, reply.code, reply.told["owner"]) == (409, "ROUTE_TAKEN", "ai-math-service")
    assert (reply.told["method"], reply.told["gateway_path"]) == ("POST", "/v1/ai/math/add")
    other = await house.key("register", site="globex")
    reply = await house.ask("POST", "/gateway/register", {**KIT, "name": "thief"}, key=other)
    assert (reply.status, reply.told["owner"]) == (409, "")
    assert b"ai-math-service" not in reply.body


async def test_another_sites_service_is_unknown(house: House) -> None:
    """INV-A1: in every verb, answered as a service that never was."""
    await house.ask("POST", "/gateway/register", KIT, key=await house.key("register"))
    other = await house.key("register", "read", site="globex")
    for method, path in (("PUT", "/gateway/services/{}/lease"), ("DELETE", "/gateway/services/{}")):
        answers = []
        for name in ("ai-math-service", "nobody"):
            told = (await house.ask(method, path.format(name), key=other)).told
            told.pop("trace_id")
            told.pop("instance")
            answers.append(told)
        assert answers[0] == answers[1]
    assert (await house.ask("GET", "/gateway/services", key=other)).told == {"services": []}
    assert (await house.ask("GET", "/gateway/routes", key=other)).told == {"routes": []}


async def test_addresses_are_shown_to_those_who_may_change_them(house: House) -> None:
    operator = await house.key("admin", site="ops")
    body = {**KIT, "policy": {"scope": "read", "fallback": {"to": [{"upstream": "http://127.0.0.1:9999"}]}}}
    assert (await house.ask("POST", "/gateway/register", body, key=operator)).status == 200
    for key in (await house.key("read"), await house.key("read", "register", site="globex")):
        seen = await house.ask("GET", "/gateway/services", key=key)
        assert seen.told["services"][0]["shared"] is True
        assert seen.told["services"][0]["policy"] == {"scope": "read"}
        assert b"127.0.0.1" not in seen.body
        assert b"/api/add" not in (await house.ask("GET", "/gateway/routes", key=key)).body
    asserted = await house.ask("GET", "/gateway/services", key=operator, headers=[("X-Site-Id", "globex")])
    assert len(asserted.told["services"]) == 1


@pytest.mark.parametrize(
    ("changes", "status", "code", "path"),
    [
        ({"name": "a/b"}, 422, "BAD_NAME", "/name"),
        ({"base_url": "http://u:p@h"}, 422, "BAD_ADDRESS", "/base_url"),
        ({"base_url": "http://169.254.169.254"}, 403, "ADDRESS_FORBIDDEN", None),
        ({"lease_s": 1e9}, 422, "INVALID_INPUT", "/lease_s"),
        ({"policy": {"scopes": []}}, 422, "INVALID_INPUT", "/policy"),
        ({"policy": {"timeouts": {"connect": 1}}}, 422, "INVALID_INPUT", "/policy/timeouts"),
        ({"policy": {"record": "some"}}, 422, "INVALID_INPUT", "/policy/record"),
        ({"openapi": "nothing"}, 422, "DOCUMENT_INVALID", None),
        ({"routes": [{"name": "a"}]}, 422, "INVALID_INPUT", "/routes/0"),
        ({"routes": [{"name": "a", "method": "GET", "gateway_path": "/v1/keys"}]}, 422, "PATH_RESERVED",
         "/routes/0/gateway_path"),
        ({"unknown": 1}, 422, "INVALID_INPUT", ""),
        ({"shared": True}, 403, "FORBIDDEN", None),
    ],
)  # fmt: skip
async def test_refusals_name_the_place(
    house: House, changes: dict[str, Any], status: int, code: str, path: str | None
) -> None:
    key = await house.key("register")
    reply = await house.ask("POST", "/gateway/register", {**KIT, **changes}, key=key)
    assert (reply.status, reply.code) == (status, code), reply.body
    if path is not None:
        assert reply.told["path"] == path


async def test_only_credentials_that_the_operator_named(house: House) -> None:
    told = {**KIT, "policy": {"credential": "set:NOBODY"}}
    reply = await house.ask("POST", "/gateway/register", told, key=await house.key("admin"))
    assert (reply.status, reply.code, reply.told["path"]) == (422, "UNKNOWN_CREDENTIAL", "/policy/credential")


async def test_prefixes_of_a_key_over_http(house: House) -> None:
    admin = await house.key("admin")
    made = await house.ask(
        "POST", "/v1/keys", {"name": "x", "scopes": ["register"], "site_id": "acme", "prefixes": ["/v1/ai"]}, key=admin
    )
    assert (made.status, made.told["prefixes"]) == (201, ["/v1/ai"])
    key = made.told["key"]
    assert (await house.ask("POST", "/gateway/register", KIT, key=key)).status == 200
    outside = {"name": "b", "base_url": "http://127.0.0.1:1", "routes": [{"name": "a", "method": "GET",
               "gateway_path": "/elsewhere"}]}  # fmt: skip
    reply = await house.ask("POST", "/gateway/register", outside, key=key)
    assert (reply.status, reply.code) == (403, "PREFIX_NOT_YOURS")
    bad = await house.ask("POST", "/v1/keys", {"name": "x", "scopes": ["register"], "prefixes": ["x"]}, key=admin)
    assert (bad.status, bad.told["path"]) == (422, "/prefixes")


async def test_the_first_kit_never_renews_and_its_routes_stay_while_it_is_there() -> None:
    """It registers once, when it starts; then only a look at its port tells whether it lives."""
    clock = ManualClock()
    async with open_house(clock=clock) as house:
        key = await house.key("register", "read")
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert (await house.ask("POST", "/gateway/register", KIT | {"base_url": url}, key=key)).status == 200

        async def status_after(seconds: float) -> str:
            registry = house.gateway.registry
            while seconds > 0:
                clock.advance(min(seconds, 2.0))
                seconds -= 2.0
                await registry.sweep()
                assert await registry.asking.tasks.rest(10)
            status: str = (await house.ask("GET", "/gateway/services", key=key)).told["services"][0]["status"]
            return status

        assert await status_after(200) == "up"
        server.close()
        await server.wait_closed()
        assert await status_after(32) == "away"
