"""What holds for every request: problems, verbs, sizes, protective headers, CORS, health."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from taskgate import __version__
from taskgate.edge.http.cors import Cors
from taskgate.errors import InvalidInput, Unavailable
from tests.edge.http.house import ECHO, House, open_house

SUBMIT = "/v1/tasks/demo.echo/runs"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "NO_SUCH_ADDRESS"),
        ("GET", "/v1/runs/", 404, "NO_SUCH_ADDRESS"),
        ("GET", "//v1/runs", 404, "NO_SUCH_ADDRESS"),
        ("POST", "/v1/runs", 405, "METHOD_NOT_ALLOWED"),
        ("GET", SUBMIT, 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", "/v1/runs/wait", 405, "METHOD_NOT_ALLOWED"),
        ("PATCH", "/v1/keys", 405, "METHOD_NOT_ALLOWED"),
        ("OPTIONS", "/v1/runs", 405, "METHOD_NOT_ALLOWED"),
        ("BREW", "/v1/runs", 405, "METHOD_NOT_ALLOWED"),
    ],
)
async def test_other_addresses_and_verbs(house: House, method: str, path: str, status: int, code: str) -> None:
    reply = await house.ask(method, path, key=await house.key("admin"))
    assert (reply.status, reply.code) == (status, code)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.told.keys() >= {"type", "title", "status", "detail", "instance", "code", "message", "trace_id"}
    assert status != 405 or reply.headers["allow"]


@pytest.mark.parametrize("path", ["/health", "/docs", "/v1/runs", "/nowhere", SUBMIT])
async def test_every_answer_is_guarded(house: House, path: str) -> None:
    for key in ("", await house.key("admin")):
        reply = await house.ask("GET", path, key=key)
        names = [name for name, _ in reply.raw_headers]
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in reply.headers["content-security-policy"]
        assert reply.headers["cache-control"] in ("no-store", "no-cache")
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert len(reply.headers["x-request-id"]) > 10
        assert not [name for name in reply.headers if name.startswith("access-control-")]
        assert len(names) == len(set(names))


async def test_ids_of_the_caller_are_kept(house: House) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    reply = await house.ask("GET", "/v1/runs", headers=[("X-Request-Id", "mine-1"), ("traceparent", trace)])
    assert reply.headers["x-request-id"] == "mine-1"
    assert reply.told["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_head_is_answered_like_get(house: House) -> None:
    key = await house.key("read")
    for path in ("/health", "/v1/runs", "/v1/tasks"):
        assert (await house.ask("HEAD", path, key=key)).status == 200


# ---------------------------------------------------------------- sizes


async def test_a_declared_body_over_the_limit_is_not_read() -> None:
    """F24: nothing above the limit is ever taken in."""
    async with open_house(max_body_bytes=1 << 20) as house:
        await house.define(ECHO)
        key = await house.key("submit")
        reply = await house.ask("POST", SUBMIT, b"x" * ((1 << 20) + 1), key=key)
        assert (reply.status, reply.code, reply.read_bytes) == (413, "TOO_LARGE", 0)
        assert reply.told["limit_bytes"] == 1 << 20
        assert reply.headers["connection"] == "close"


async def test_a_body_without_a_length_is_counted() -> None:
    async with open_house(max_body_bytes=1 << 20) as house:
        await house.define(ECHO)
        key = await house.key("submit")
        piece = 64 << 10
        reply = await house.ask("POST", SUBMIT, key=key, chunks=[b" " * piece] * 1000)
        assert (reply.status, reply.code) == (413, "TOO_LARGE")
        assert reply.read_bytes <= (1 << 20) + piece
        whole = [b'{"input":', b'{"n"', b":1}}"]
        assert (await house.ask("POST", SUBMIT, key=key, chunks=whole)).status == 202


@pytest.mark.parametrize("length", ["-1", "+5", "0x5", "5, 5", "1e3", "9" * 30])
async def test_a_length_that_is_no_number(house: House, length: str) -> None:
    """S12: nothing that two parsers could read differently."""
    key = await house.key("submit")
    headers = [("Content-Length", length)]
    reply = await house.ask("POST", SUBMIT, chunks=[b'{"input":{"n":1}}'], key=key, headers=headers)
    assert reply.status == 400


async def test_a_body_that_stands_still(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """F26: a body that makes no progress is given up."""
    monkeypatch.setattr("taskgate.edge.http.call.BODY_IDLE_S", 0.02)
    key = await house.key("submit")
    async with house.call("POST", SUBMIT, key=key, chunks=[b"{"], endless=True) as line, asyncio.timeout(5):
        await line.started.wait()
    assert (line.reply.status, line.reply.code) == (400, "BODY_TOO_SLOW")


# ---------------------------------------------------------------- CORS


async def preflight(house: House, origin: str) -> Any:
    headers = [("Origin", origin), ("Access-Control-Request-Method", "POST")]
    return await house.ask("OPTIONS", SUBMIT, headers=headers)


async def test_listed_origins_may_call() -> None:
    async with open_house(cors_origins=("https://app.example",)) as house:
        await house.define(ECHO)
        reply = await preflight(house, "https://app.example")
        assert reply.status == 204
        assert reply.headers["access-control-allow-origin"] == "https://app.example"
        assert "X-API-Key" in reply.headers["access-control-allow-headers"]
        called = await house.ask(
            "POST", SUBMIT, {"input": {"n": 1}}, key=await house.key("submit"), headers=[("Origin", "https://app.example")]
        )  # fmt: skip
        assert (called.status, called.headers["access-control-allow-origin"]) == (202, "https://app.example")
        assert called.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in called.headers
        assert (await house.ask("GET", "/health")).headers["vary"] == "Origin"


@pytest.mark.parametrize("origin", ["*", "null", "https://app.example/", "app.example", "https://*.example", ""])
def test_the_list_is_exact(origin: str) -> None:
    with pytest.raises(InvalidInput):
        Cors([origin])


# ---------------------------------------------------------------- health and accidents


async def test_health_is_silent_to_strangers(house: House) -> None:
    assert (await house.ask("GET", "/health")).told == {"status": "ok", "service": "taskgate"}
    assert (await house.ask("GET", "/health/live")).status == 200
    assert (await house.ask("GET", "/health/ready")).told == {"status": "ok", "service": "taskgate"}
    key = await house.key("read")
    assert (await house.ask("GET", "/health", key=key)).told["version"] == __version__
    assert (await house.ask("GET", "/health/ready", key=key)).told["checks"] == {"store": "ok"}
    assert (await house.ask("GET", "/health", key=key[:-1] + "_")).status == 401


async def test_a_store_that_is_away_is_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """F12: 503 with Retry-After, and health says so."""

    async def away(*_: object, **__: object) -> Any:
        raise Unavailable("the database does not answer", retry_after_s=2.4)

    monkeypatch.setattr(house.gateway.stores.keyring, "find", away)
    monkeypatch.setattr(house.gateway.stores.ledger, "add", away)
    ready = await house.ask("GET", "/health/ready")
    assert (ready.status, ready.told["status"], ready.headers["retry-after"]) == (503, "unavailable", "1")
    key = await house.key("submit")
    reply = await house.ask("POST", SUBMIT, {"input": {"n": 1}}, key=key)
    assert (reply.status, reply.code, reply.headers["retry-after"]) == (503, "UNAVAILABLE", "3")
    assert reply.told["retryable"]


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/runs/00000000-0000-7000-8000-000000000000"])
async def test_an_accident_is_logged_and_not_told(
    house: House, path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Both ways through the door: raw and FastAPI."""

    def broken(*_: object, **__: object) -> Any:
        raise ZeroDivisionError("inside")

    monkeypatch.setattr(house.gateway.definitions, "visible", broken)
    monkeypatch.setattr(house.gateway.desk, "get", broken)
    with caplog.at_level(logging.ERROR):
        reply = await house.ask("GET", path, key=await house.key("read"))
    assert (reply.status, reply.code) == (500, "INTERNAL")
    assert "inside" not in reply.body.decode()
    assert reply.told["trace_id"] in caplog.text


async def test_websockets_without_a_door_are_closed(house: House) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await house.door({"type": "websocket", "path": "/ws/x", "headers": []}, receive, send)
    assert sent[-1]["type"] == "websocket.close"
