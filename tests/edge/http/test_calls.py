"""Recorded calls as callers see them: their own site's, newest first, without addresses."""

from __future__ import annotations

from typing import Any

import pytest

from taskgate.testing.contracts.calls import call
from tests.edge.http.house import House


async def keep(house: House, *numbers: int, **changes: Any) -> None:
    await house.gateway.calls.append(
        [call(number, **{"site_id": "acme", "user_id": "", **changes}) for number in numbers]
    )


async def listed(house: House, key: str, query: str = "") -> list[str]:
    reply = await house.ask("GET", f"/gateway/calls{query}", key=key)
    assert reply.status == 200, reply.body
    return [one["request_id"] for one in reply.told["calls"]]


async def test_a_call_is_shown_whole(house: House) -> None:
    await keep(house, 1)
    reply = await house.ask("GET", "/gateway/calls/request-1", key=await house.key("read", "register"))
    assert reply.status == 200
    told = reply.told
    assert (told["service"], told["route"], told["status"]) == ("math", "add", 200)
    assert told["request"]["body"] == "añb"
    first, second = told["attempts"]
    assert (first["error"], first["moved_on_because"], first["upstream"]) == ("UPSTREAM_BROKEN", "connect", "http://a")
    assert second["response"]["headers"] == [["content-type", "text/plain"], ["x-a", "Köln"]]
    again = await house.ask("GET", f"/gateway/calls/{told['id']}", key=await house.key("read"))
    assert again.told["id"] == told["id"]
    assert [one["upstream"] for one in again.told["attempts"]] == ["", ""]


async def test_the_newest_of_a_request_id_is_shown(house: House) -> None:
    await keep(house, 1, 2, request_id="same")
    reply = await house.ask("GET", "/gateway/calls/same", key=await house.key("read"))
    assert reply.told["id"] == call(2).id


async def test_inv_a1_nobody_sees_another_sites_calls(house: House) -> None:
    await keep(house, 1)
    await keep(house, 2, site_id="other")
    key = await house.key("read")
    assert await listed(house, key) == ["request-1"]
    foreign = await house.ask("GET", "/gateway/calls/request-2", key=key)
    missing = await house.ask("GET", "/gateway/calls/request-3", key=key)
    by_id = await house.ask("GET", f"/gateway/calls/{call(2).id}", key=key)
    assert (foreign.status, foreign.code) == (missing.status, missing.code) == (by_id.status, by_id.code)
    assert missing.code == "UNKNOWN_CALL"
    assert await listed(house, await house.key("admin")) == ["request-2", "request-1"]


async def test_a_users_key_sees_that_users_calls(house: House) -> None:
    await keep(house, 1, user_id="u1")
    await keep(house, 2, user_id="u2")
    key = await house.key("read", user="u1")
    assert await listed(house, key) == ["request-1"]
    assert (await house.ask("GET", "/gateway/calls/request-2", key=key)).status == 404


async def test_filters_and_pages(house: House) -> None:
    await keep(house, 1, 2, 3)
    await keep(house, 4, status=503, service="text", route="mul")
    await keep(house, 5, status=0)
    key = await house.key("read")
    assert await listed(house, key, "?status=5xx") == ["request-4"]
    assert await listed(house, key, "?status=0") == ["request-5"]
    assert await listed(house, key, "?status=200&service=math&limit=2") == ["request-3", "request-2"]
    assert await listed(house, key, "?route=mul") == ["request-4"]
    page = (await house.ask("GET", "/gateway/calls?limit=2", key=key)).told
    assert await listed(house, key, f"?cursor={page['cursor']}") == ["request-3", "request-2", "request-1"]


@pytest.mark.parametrize("query", ["?status=6xx", "?status=x", "?cursor=abc", "?limit=0", "?limit=900", "?what=1"])
async def test_nonsense_is_refused(house: House, query: str) -> None:
    reply = await house.ask("GET", f"/gateway/calls{query}", key=await house.key("read"))
    assert reply.status == 422


async def test_looking_needs_a_scope(house: House) -> None:
    for path in ("/gateway/calls", "/gateway/calls/request-1"):
        assert (await house.ask("GET", path, key=await house.key("submit"))).status == 403
