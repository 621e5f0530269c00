"""S35: registration as a weapon: everything, another's land, a million routes, patterns, a race for priority."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from taskgate.testing.clock import ManualClock
from tests.edge.http.house import House, Reply, open_house

pytestmark = pytest.mark.security


def body(name: str, *paths: str, **members: Any) -> dict[str, Any]:
    routes = [{"name": f"r{n}", "method": "POST", "gateway_path": path} for n, path in enumerate(paths)]
    return {"name": name, "base_url": "http://127.0.0.1:8082", "routes": routes, **members}


async def register(house: House, key: str, told: dict[str, Any]) -> Reply:
    return await house.ask("POST", "/gateway/register", told, key=key)


@pytest.mark.parametrize(
    "path",
    ["/", "/{x}", "/{x:path}", "/v1/{x}", "/v1/{x:path}", "/gateway/register", "/v1/runs/{x}", "/docs", "/health/live",
     "/mcp", "/metrics", "/ws/workers/x", "/api/v1/ws", "/openapi.json", "/v1/keys/x/rotate", "/v1//runs",
     "/%76%31/runs", "/v1/./runs", "/x/../v1/runs", "//v1/runs", "/v1/runs%2f", "/v1\\runs"],
)  # fmt: skip
async def test_everything_and_the_gateways_own(house: House, path: str) -> None:
    key = await house.key("register")
    for told in (body("evil", path), body("evil", "/fine", path)):
        reply = await register(house, key, told)
        assert reply.status in (403, 422)
    assert house.gateway.registry.snapshot.services == ()
    assert (await house.ask("GET", "/health")).told["status"] == "ok"


@pytest.mark.parametrize("prefix", ["/", "/v1", "/gateway", "/api", "/{x}", "/docs"])
async def test_a_prefix_over_the_gateway(house: House, prefix: str) -> None:
    key = await house.key("register")
    reply = await register(house, key, body("evil", "/gateway/register", prefix=prefix))
    assert reply.status in (403, 422)


async def test_anothers_land(house: House) -> None:
    owner, thief = await house.key("register"), await house.key("register", site="globex")
    assert (await register(house, owner, body("own", "/team/a", "/open/{x}", prefix="/team"))).status == 200
    for told in (
        body("own", "/elsewhere"),
        body("x", "/team/a"),
        body("x", "/team/new"),
        body("x", "/team"),
        body("x", "/a", prefix="/team/sub"),
        body("x", "/{x}/a"),
        body("x", "/{all:path}"),
        body("x", "/team/open/exact"),
        body("x", "/fine", "/team/a"),
    ):
        assert (await register(house, thief, told)).status in (403, 409)
    assert [one.name for one in house.gateway.registry.snapshot.services] == ["own"]


async def test_a_million_routes(house: House) -> None:
    """Refused by the size of the body, or by the quota before anything is compared."""
    key = await house.key("register")
    start = time.process_time()
    huge = b'{"name":"x","base_url":"http://127.0.0.1:1","routes":[' + b"{}," * 4_000_000 + b"{}]}"
    assert (await house.ask("POST", "/gateway/register", huge, key=key)).status == 413
    route = {"name": "r", "method": "GET", "gateway_path": "/r"}
    many = json.dumps({**body("x"), "routes": [route] * 100_000}).encode()
    reply = await house.ask("POST", "/gateway/register", many, key=key)
    assert (reply.status, reply.code) == (422, "TOO_MANY_ROUTES")
    assert time.process_time() - start < 5.0


@pytest.mark.parametrize(
    "path", ["/(a+)+$", "/a{1,9999}", "/.*", "/[a-z]+", "/{x:(a+)+}", "/{x:regex}", "/~*evil", "/a|b"]
)
async def test_patterns_are_not_understood(house: House, path: str) -> None:
    reply = await register(house, await house.key("register"), body("x", path))
    assert (reply.status, reply.code) == (422, "BAD_PATH")


async def test_a_race_for_priority(house: House) -> None:
    """Fifty at once for one path: one has it, and nobody gets it by asking again, by method or by another spelling."""
    keys = [await house.key("register", site=f"s{n}") for n in range(50)]
    replies = await asyncio.gather(*(register(house, key, body(f"n{n}", "/gold")) for n, key in enumerate(keys)))
    assert sorted(reply.status for reply in replies) == [200] + [409] * 49
    winner = house.gateway.registry.snapshot.services[0].name
    loser = keys[1] if winner == "n0" else keys[0]
    for method in ("POST", "GET", "*", "HEAD", "post"):
        told = body("z", "/gold")
        told["routes"][0]["method"] = method
        assert (await register(house, loser, told)).status == 409
    told = body("z", "/gold")
    told["priority"] = 999
    assert (await register(house, loser, told)).status == 422
    assert house.gateway.registry.snapshot.services[0].name == winner


async def test_it_expires_while_in_use() -> None:
    """Who holds a snapshot keeps it whole; the lapsed service is known as away, its path is not free for others."""
    clock = ManualClock()
    async with open_house(clock=clock) as house:
        key, thief = await house.key("register"), await house.key("register", site="globex")
        await register(house, key, body("own", "/a", lease_s=30))
        in_use = house.gateway.registry.snapshot
        clock.advance(31.0)
        await house.gateway.registry.sweep()
        assert in_use.away == frozenset()
        assert house.gateway.registry.snapshot.away == {"own"}
        assert house.gateway.registry.snapshot.services == in_use.services
        assert (await register(house, thief, body("x", "/a"))).status == 409


async def test_who_may_only_register_gets_no_credentials(house: House) -> None:
    key = await house.key("register")
    for credential in ("caller", "set:OPENAI_API_KEY"):
        for told in (body("x", "/a", policy={"credential": credential}), body("x", "/a")):
            told["routes"][0]["policy"] = {"credential": credential}
            assert (await register(house, key, told)).status == 403


async def test_quota_of_services(house: House) -> None:
    key = await house.key("register")
    limit = house.gateway.settings.routes.max_services
    codes = [(await register(house, key, body(f"n{n}", f"/n{n}"))).status for n in range(limit + 3)]
    assert codes == [200] * limit + [403] * 3
