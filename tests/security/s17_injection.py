"""S17: nothing that a caller writes becomes a header, a status line, a log line or markup of ours."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest

from tests.edge.http.house import House

pytestmark = pytest.mark.security

NASTY = [
    "a\r\nSet-Cookie: x=1", "a\nX-Evil: 1", "a\x00b", "a\x0bb", "a\x1b[31mred", "<script>alert(1)</script>",
    "%0d%0aX-Evil:1", "ä\u2028b", "\u202egnp.exe", "${jndi:ldap://x}", "%(levelname)s %s %n",
]  # fmt: skip


def plain(reply_headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether every header of ours is one line of printable ASCII."""
    return all(
        re.fullmatch(rb"[a-z0-9-]+", name) and re.fullmatch(rb"[\x20-\x7e]*", value) for name, value in reply_headers
    )


@pytest.mark.parametrize("text", NASTY)
async def test_texts_in_every_member(house: House, text: str) -> None:
    """Refused by name, or kept as plain text; never a header, never a second line."""
    key = await house.key("submit", "read", "tasks:write", "admin")
    asks = [
        ("POST", "/v1/tasks/demo.free/runs", {"input": text, "labels": {text: text}}),
        ("POST", "/v1/tasks/demo.free/runs", {"input": 1, "version": text}),
        ("POST", "/v1/tasks/demo.free/runs", {"input": 1, text: 1}),
        ("PUT", "/v1/tasks/my.task", {"description": text, "version": text}),
        ("PUT", "/v1/tasks/my.task", {"description": text}),
        ("POST", "/v1/keys", {"name": text, "scopes": ["read"]}),
        ("POST", "/v1/keys", {"name": "x", "scopes": [text]}),
    ]
    for method, path, body in asks:
        reply = await house.ask(method, path, body, key=key)
        assert reply.status < 500
        assert plain(reply.raw_headers)
        assert reply.headers["content-type"] in ("application/json", "application/problem+json")
        if reply.status >= 400:
            assert reply.told["detail"].isprintable()


@pytest.mark.parametrize("text", NASTY)
async def test_texts_in_headers(house: House, text: str) -> None:
    key = await house.key("submit", "read", "tenant:assert")
    for name in ("X-Request-Id", "traceparent", "Idempotency-Key", "X-Site-Id", "Prefer", "Last-Event-ID", "Accept"):
        raw = [(name.lower().encode(), text.encode())]
        reply = await house.ask("POST", "/v1/tasks/demo.free/runs", {"input": 1}, key=key, raw=raw)
        assert reply.status < 500
        assert plain(reply.raw_headers)
        assert text not in reply.headers["x-request-id"]


async def test_log_lines_are_whole(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """S29: a path that an accident logs stays one line, short, and without control characters."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(house.gateway.definitions, "known", broken)
    key = await house.key("read")
    with caplog.at_level(logging.ERROR):
        for path in ("/v1/tasks/a%c2%85b", "/v1/tasks/" + "x" * 5000, "/v1/tasks/ok"):
            await house.ask("GET", path, key=key)
    messages = [record.getMessage() for record in caplog.records]
    assert messages
    assert all(message.isascii() and message.isprintable() and len(message) < 400 for message in messages)


@pytest.mark.parametrize("text", NASTY)
async def test_texts_in_registrations(house: House, text: str) -> None:
    """Names, paths, methods and summaries of routes: refused by name, or kept as plain text (descriptions)."""
    key = await house.key("register", "read", "admin")
    route = {"name": "a", "method": "POST", "gateway_path": "/a", "upstream_path": "/a", "summary": "s"}
    plain_body: dict[str, Any] = {"name": "svc", "base_url": "http://127.0.0.1:1", "routes": [route]}
    asks = [{**plain_body, member: text} for member in ("name", "base_url", "prefix", "openapi_url", "openapi")]
    asks += [{**plain_body, "routes": [{**route, member: text}]} for member in (*route, "description", "task")]
    asks += [{**plain_body, "policy": {member: text}} for member in ("scope", "credential", "record", text)]
    for body in asks:
        reply = await house.ask("POST", "/gateway/register", body, key=key)
        assert reply.status < 500
        assert plain(reply.raw_headers)
        if reply.status >= 400:
            assert reply.told["detail"].isprintable()
        else:
            assert all(warning.isprintable() for warning in reply.told["warnings"])
    for service in house.gateway.registry.snapshot.services:
        for one in service.routes:
            assert re.fullmatch(r"[!-~]+", one.name + one.method + one.path + one.upstream_path)
            assert one.summary.isprintable()
