"""S16: identity comes from the credential; headers that name somebody else are as if they had not been sent."""

from __future__ import annotations

import itertools

import pytest

from tests.edge.http.house import House
from tests.edge.http.test_runs import submitted

pytestmark = pytest.mark.security

SPOOFED = [
    ("X-Site-Id", "globex"), ("X_Site_Id", "globex"), ("x-site_id", "globex"), ("X-User-Id", "u2"), ("x_user_id", "u2"),
    ("X-App-Id", "evil"), ("X-Principal", "admin"), ("X-Scopes", "admin"), ("X-Forwarded-User", "admin"),
    ("X-Internal-Auth", "yes"), ("X-Original-URL", "/v1/keys"), ("X-Rewrite-URL", "/v1/keys"),
    ("X-HTTP-Method-Override", "DELETE"), ("X-Forwarded-For", "127.0.0.1"), ("X-Real-IP", "127.0.0.1"),
    ("Forwarded", "for=127.0.0.1"), ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "https"),
]  # fmt: skip


@pytest.mark.parametrize("header", SPOOFED)
async def test_a_spoofed_header_changes_nothing(house: House, header: tuple[str, str]) -> None:
    """INV-A2, for every header and twin alone."""
    key = await house.key("submit", "read", user="u1")
    run_id = await submitted(house, key)
    plain = (await house.ask("GET", f"/v1/runs/{run_id}", key=key)).told
    assert (await house.ask("GET", f"/v1/runs/{run_id}", key=key, headers=[header])).told == plain
    reply = await house.ask("POST", "/v1/tasks/demo.free/runs", {"input": 1}, key=key, headers=[header])
    told = (await house.ask("GET", reply.headers["location"], key=key)).told
    assert told["tenant"] == {"site_id": "acme", "user_id": "u1", "app_id": ""}
    assert reply.headers["location"].startswith("/v1/runs/")
    assert (await house.ask("GET", "/v1/keys", key=key, headers=[header])).status == 403
    assert (await house.ask("GET", "/v1/runs", headers=[header])).status == 401


async def test_all_of_them_together(house: House) -> None:
    key = await house.key("submit", "read", user="u1")
    foreign = await submitted(house, await house.key("submit", site="globex", user="u2"))
    assert (await house.ask("GET", f"/v1/runs/{foreign}", key=key, headers=SPOOFED)).status == 404


async def test_a_twin_with_an_underscore_asserts_nothing(house: House) -> None:
    """Even a platform that may assert is not moved by the twin."""
    platform = await house.key("submit", "read", "tenant:assert", site="platform")
    headers = [("X_Site_Id", "acme"), ("X_User_Id", "u1")]
    reply = await house.ask("POST", "/v1/tasks/demo.free/runs", {"input": 1}, key=platform, headers=headers)
    told = (await house.ask("GET", reply.headers["location"], key=platform)).told
    assert told["tenant"] == {"site_id": "platform", "user_id": "", "app_id": ""}


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded"])
async def test_an_address_cannot_be_borrowed(house: House, header: str) -> None:
    """Failed tries count against the address of the connection, whatever the headers say."""
    statuses = [
        (await house.ask("GET", "/v1/runs", key=f"tg_wrong{n}", headers=[(header, f"203.0.113.{n}")])).status
        for n in range(30)
    ]
    assert statuses[:5] == [401] * 5
    assert statuses.count(429) >= 20


async def test_hop_by_hop_names_strip_nothing(house: House) -> None:
    """S15: naming the credential in `Connection` does not take it away."""
    key = await house.key("read")
    for names, method in itertools.product(("X-API-Key", "X-Site-Id, X-API-Key, Host"), ("GET",)):
        reply = await house.ask(method, "/v1/runs", key=key, headers=[("Connection", names)])
        assert reply.status == 200
