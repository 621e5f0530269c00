"""S9: ids are made by us and checked by shape before they touch anything; names that wander lead nowhere."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from taskgate.errors import StoreError
from tests.edge.http.house import House

pytestmark = pytest.mark.security

WANDERING = [
    "../../etc/passwd", "..", ".", "%2e%2e%2f", "..%5c..%5cwindows", "%252e%252e", "CON", "nul.txt", "a\x00b",
    "a\r\nSet-Cookie: x=1", "\uff0e\uff0e\uff0f", "\u202eevil", "' OR 1=1--", "${jndi:ldap://x}", "%(x)s", "{}", "*",
    "?", "#", "-1", "0", "x" * 10_000, "01A1FAE5-52A5-7449-A16D-BD1D2AABD399", "01a1fae5-52a5-7449-a16d-bd1d2aabd39",
    "01a1fae5-52a5-7449-a16d-bd1d2aabd399 ",
]  # fmt: skip
PLACES = [
    ("GET", "/v1/runs/{}"),
    ("GET", "/v1/runs/{}/journal"),
    ("GET", "/v1/runs/{}/why"),
    ("POST", "/v1/runs/{}/cancel"),
    ("POST", "/v1/runs/{}/retry"),
    ("GET", "/v1/tasks/{}"),
    ("DELETE", "/v1/tasks/{}"),
    ("POST", "/v1/tasks/{}/runs"),
    ("POST", "/gateway/workers/{}/drain"),
    ("DELETE", "/v1/keys/{}"),
    ("POST", "/v1/keys/{}/rotate"),
]


@pytest.mark.parametrize("name", WANDERING)
async def test_a_wandering_id_leads_nowhere(house: House, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No store is asked for a name that none of ours could be; the answer is a refusal with a clear code."""

    async def asked(*_: object, **__: object) -> None:
        raise StoreError(f"the store was asked for {name!r}")

    admin = await house.key("admin")
    monkeypatch.setattr(house.gateway.stores.book, "get", asked)
    monkeypatch.setattr(house.gateway.stores.catalogue, "save", asked)
    monkeypatch.setattr(house.gateway.stores.keyring, "revoke", asked)
    for method, template in PLACES:
        body = b'{"input":1}' if template.endswith("/runs") else b""
        reply = await house.ask(method, template.format(quote(name, safe="")), body, key=admin)
        assert reply.status in (400, 404, 405, 422), (method, template, reply.body)
        assert reply.code in (
            "BAD_PATH", "UNKNOWN_RUN", "UNKNOWN_TASK", "UNKNOWN_WORKER", "UNKNOWN_KEY", "NO_SUCH_ADDRESS",
            "METHOD_NOT_ALLOWED",
        )  # fmt: skip
        assert "\n" not in str(reply.raw_headers)
        assert len(reply.body) < 2000


@pytest.mark.parametrize("name", WANDERING)
async def test_a_wandering_id_in_a_body(house: House, name: str) -> None:
    key = await house.key("submit", "read")
    for path, body in (
        ("/v1/runs/wait", {"ids": [name], "timeout_s": 0}),
        ("/v1/dead/purge", {"ids": [name]}),
    ):
        reply = await house.ask("POST", path, body, key=key)
        assert (reply.status, reply.code) == (404, "UNKNOWN_RUN")
    told = (await house.ask("POST", "/v1/dead/retry", {"ids": [name]}, key=key)).told
    assert told["refused"][0]["error"]["code"] == "UNKNOWN_RUN"
    assert (await house.ask("GET", f"/v1/runs?cursor={quote(name, safe='')}", key=key)).status == 422
