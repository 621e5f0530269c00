"""S18, S36: credentials shown where they do not belong, two that disagree, and tokens that would be more than they are.

Each is a real one that is good for something; here it is tried for something else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from taskgate.edge.http import auditing
from taskgate.errors import Unauthenticated
from taskgate.limits.bucket import Rate
from taskgate.testing.clock import ManualClock
from tests.edge.http.house import FREE, House, open_house

pytestmark = pytest.mark.security
SUBMIT = "/v1/tasks/demo.free/runs"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def house(clock: ManualClock) -> AsyncIterator[House]:
    async with open_house(clock=clock) as opened:
        await opened.define(FREE)
        yield opened


async def status(house: House, method: str, path: str, body: object = b"", **how: Any) -> int:
    """What is answered, from an address of its own."""
    house.address = f"10.1.{id(how) % 250}.{hash((path, str(how))) % 250}"
    return (await house.ask(method, path, body, **how)).status


async def token(house: House, key: str, **members: Any) -> str:
    reply = await house.ask("POST", "/v1/tokens", members, key=key)
    assert reply.status == 201, reply.body
    return str(reply.told["token"])


async def test_a_keys_text_dressed_up_as_a_token(house: House) -> None:
    """Dots, schemes and other headers make nothing else of it."""
    key, other = await house.key("read"), await house.key("read")
    good = await token(house, key)
    for text in (
        f"{key}.x.y",
        f"x.{key}.y",
        f"{good[: good.rindex('.')]}.{key}",
        f"{key[:15]}.{key[16:]}.x",
        f"{good}.{key}",
    ):
        for headers in ([("Authorization", f"Bearer {text}")], [("X-API-Key", text)]):
            assert await status(house, "GET", "/v1/runs", headers=headers) == 401, text
    for headers in (
        [("X-API-Key", key), ("Authorization", f"Bearer {good}")],
        [("X-API-Key", good), ("Authorization", f"Bearer {other}")],
        [("X-API-Key", key), ("X-API-Key", other)],
        [("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {await token(house, key)}")],
        [("X-API-Key", good), ("Authorization", f"Basic {good}")],
        [("X-API-Key", ""), ("Authorization", f"Bearer {good}")],
        [("Authorization", f"Bearer {good} {good}")],
        [("Authorization", f"Bearer\t{good}")],
        [("X_API_Key", key)],
        [("Cookie", f"x-api-key={key}")],
        [("Proxy-Authorization", f"Bearer {good}")],
    ):
        assert await status(house, "GET", "/v1/runs", headers=headers) == 401, [name for name, _ in headers]
    assert (
        await status(house, "GET", "/v1/runs", headers=[("X-API-Key", good), ("Authorization", f"bearer {good}")])
        == 200
    )


@pytest.mark.parametrize("held", ["submit", "read", "worker", "tenant:assert", "serve:*", "register", "metrics"])
async def test_inv_a4_no_exchange_gives_a_scope(house: House, held: str) -> None:
    """Whatever is asked for and however often: only what was there."""
    key = await house.key(held)
    own = await token(house, key)
    for wanted in (
        "admin",
        "submit",
        "read",
        "worker",
        "tenant:assert",
        "serve:*",
        "register",
        "tasks:write",
        "metrics",
    ):
        expected = 201 if wanted == held else 403
        for credential in (key, own):
            assert await status(house, "POST", "/v1/tokens", {"scopes": [wanted]}, key=credential) == expected, wanted
            assert await status(house, "POST", "/v1/tokens", {"scopes": [held, wanted]}, key=credential) == expected
    narrow = await token(house, await house.key("admin"), scopes=[held])
    assert await status(house, "POST", "/v1/tokens", {"scopes": ["admin"]}, key=narrow) == 403
    assert await status(house, "POST", "/v1/keys", {"name": "x", "scopes": ["admin"]}, key=narrow) == 403
    assert await status(house, "POST", "/v1/tokens", {"kind": "join"}, key=narrow) == 403
    assert await status(house, "POST", "/v1/tokens/revoke", {"subject": "x"}, key=narrow) == 403


async def test_inv_a2_no_exchange_changes_a_tenant(house: House) -> None:
    """Members of a body and headers move nobody; a tenant that was asserted by right stays, and is asserted no more."""
    key = await house.key("read", "submit", site="acme", user="u1")
    elsewhere = [("X-Site-Id", "globex"), ("X-User-Id", "boss")]
    reply = await house.ask("POST", "/v1/tokens", {"site_id": "globex"}, key=key, headers=elsewhere)
    found = await house.gateway.keys.authenticate(reply.told["token"])
    assert (found.site_id, found.user_id) == ("acme", "u1")
    host = await house.key("read", "submit", "tenant:assert", site="platform")
    made = await house.ask("POST", "/v1/tokens", {"scopes": ["read"]}, key=host, headers=elsewhere)
    lent = await house.gateway.keys.authenticate(made.told["token"])
    assert (lent.site_id, lent.user_id, set(lent.scopes)) == ("globex", "boss", {"read"})
    reply = await house.ask("GET", "/v1/queues", key=made.told["token"], headers=[("X-Site-Id", "acme")])
    mover = await house.gateway.entrance.gate.admit(
        [(b"x-api-key", made.told["token"].encode()), (b"x-site-id", b"acme")], address="10.9.9.9"
    )
    assert mover.site_id == "globex"


async def test_s36_a_workers_token_submits_nothing(house: House) -> None:
    """And one that is bound to a worker works for no other, whatever is asked of it."""
    admin = await house.key("admin")
    bound = await token(house, admin, scopes=["worker"], worker_id="gpu-1")
    for method, path in (("POST", SUBMIT), ("GET", "/v1/runs"), ("GET", "/v1/keys"), ("GET", "/metrics")):
        assert await status(house, method, path, {"input": 1}, key=bound) == 403, path
    for worker_id in ("gpu-2", "gpu-1 ", "*"):
        assert await status(house, "POST", "/v1/tokens", {"worker_id": worker_id}, key=bound) == 403
    again = await house.gateway.keys.authenticate(await token(house, bound, worker_id=""))
    assert again.worker_id == "gpu-1"


async def test_a_join_token_is_no_other_credential(house: House) -> None:
    """Not a key, not a worker's, not a part of a token; nor is anything else a join token."""
    admin = await house.key("admin")
    invited = (await house.ask("POST", "/v1/tokens", {"kind": "join"}, key=admin)).told["token"]
    for disguise in (
        invited.replace("tgj_", "tg_"),
        invited.upper(),
        f"{invited}.a.b",
        f" {invited} x",
        "tgj_" + admin[3:],
    ):
        assert await status(house, "GET", "/v1/runs", key=disguise) == 401
    for method, path in house.door.routes():
        if path.startswith("/v1/tokens/join") or "{" in path or path in house.door.open_paths:
            continue
        assert await status(house, method, path, {"scopes": ["worker"]}, key=invited) == 403, path
    for other in (admin, await token(house, admin), await house.key("worker")):
        assert await status(house, "POST", "/v1/tokens/join", {"worker_id": "gpu-1"}, key=other) == 403
    assert await status(house, "POST", "/v1/tokens/join", {"worker_id": "gpu-1"}, key=invited) == 201


async def test_f16_an_ended_parent_and_clocks_that_jump(house: House, clock: ManualClock) -> None:
    """Within a minute nothing happens to a token; an hour ahead it is over, an hour back it is not yet, and it lives on
    when the clock is right again."""
    key = await house.key("read", expires_at=clock.now() + 7200)
    made = await token(house, key)
    for jump, expected in ((59, 200), (-118, 200), (59, 200), (3600, 401), (-7200, 401), (3600, 200)):
        clock.jump(jump)
        assert await status(house, "GET", "/v1/runs", key=made) == expected, jump
    late = await house.key("read", expires_at=clock.now() + 120)
    short = await house.ask("POST", "/v1/tokens", {}, key=late)
    principal = await house.gateway.keys.authenticate(short.told["token"])
    assert principal.expires_at is not None
    assert principal.expires_at <= clock.now() + 120
    clock.advance(121)
    assert await status(house, "GET", "/v1/runs", key=short.told["token"]) == 401
    with pytest.raises(Unauthenticated):
        await house.gateway.keys.authenticate(late)


async def test_bodies_at_the_tokens_door_are_bounded(house: House) -> None:
    """Megabytes, bodies without end, nesting, and numbers of no kind."""
    key = await house.key("read", "admin")
    reply = await house.ask("POST", "/v1/tokens", key=key, chunks=[b" " * 65536] * 400)
    assert reply.status == 413
    assert reply.read_bytes <= 12 << 20
    for body in (
        b"[" * 100_000,
        b'{"life_s":1e999}',
        b'{"life_s":NaN}',
        b'{"scopes":"admin"}',
        b'{"scopes":[[]]}',
        b"\xff",
    ):
        assert await status(house, "POST", "/v1/tokens", body, key=key) in (400, 422), body[:20]
    for body in (b'{"token_id":"x","subject":"y"}', b"{}", b'{"subject":"' + b"x" * 600 + b'"}'):
        assert await status(house, "POST", "/v1/tokens/revoke", body, key=key) == 422


async def test_nobody_fills_the_audit_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """What anybody may ask for is written down too: so often and no oftener, for good and bad requests alike."""
    monkeypatch.setattr(auditing, "PACE", Rate(rate=0.1, burst=20.0))
    async with open_house() as house:
        key, neighbour, admin = await house.key("read"), await house.key("read"), await house.key("admin")
        answers = [(await house.ask("POST", "/v1/tokens", b"no json", key=key)).status for _ in range(60)]
        assert answers[:20] == [400] * 20
        assert answers.count(429) >= 30
        assert await status(house, "POST", "/v1/tokens", {}, key=neighbour) == 201
        for _ in range(60):
            await house.ask("POST", "/v1/tokens/revoke", {"subject": "x"}, key=neighbour)
        rows = (await house.ask("GET", "/gateway/audit?limit=200", key=admin)).told["entries"]
        assert 0 < len([row for row in rows if row["outcome"] == "denied"]) <= 20
        assert len(rows) <= 100
