"""A service announces itself and keeps announced, whatever its gateway does, and never stops because of it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from taskgate.service import Registration, register, registered
from tests.flows.service.standin import KEY, StandIn, eventually


class Pair(BaseModel):
    a: float
    b: float


def application() -> FastAPI:
    app = FastAPI(title="Adding machine")

    @app.post("/add", summary="Add", openapi_extra={"requestBody": {"content": {"application/json": {}}}})
    async def add(pair: Pair) -> float:
        """The sum."""
        return pair.a + pair.b

    return app


@pytest.fixture
def door() -> Iterator[str]:
    """An address where somebody listens, so that nobody waits for the service's own port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def lived(app: Any, gateway: StandIn, *, until: Any) -> None:
    """Run the application's lifespan until the claim holds."""
    async with app.router.lifespan_context(app):
        await asyncio.to_thread(gateway.until, until)


async def test_two_lines_register_renew_and_withdraw(gateway: StandIn, door: str) -> None:
    app = application()
    found = register(app, gateway_url=gateway.url, base_url=door, api_key=KEY, policy={"scope": "read"})
    await lived(app, gateway, until=lambda: gateway.heard("PUT") >= 3)
    assert gateway.heard("POST") == 1
    assert gateway.words[-1] == ("DELETE", "/gateway/services/adding-machine")
    assert gateway.services == {}
    assert gateway.keys == {KEY}
    assert not found.is_registered


async def test_what_is_told_about_an_application(gateway: StandIn, door: str) -> None:
    app = application()
    register(app, gateway_url=gateway.url, base_url=door, prefix="/v1/ai", policy={"scope": "read"})
    async with app.router.lifespan_context(app):
        await asyncio.to_thread(gateway.until, lambda: gateway.services)
        told = gateway.services["adding-machine"]
    assert told["base_url"] == door
    assert told["policy"] == {"scope": "read"}
    assert told["openapi"]["paths"].keys() == {"/add"}
    route = {name: told["routes"][0][name] for name in ("method", "gateway_path", "upstream_path", "summary")}
    assert route == {"method": "POST", "gateway_path": "/v1/ai/add", "upstream_path": "/add", "summary": "Add"}


async def test_the_environment_is_enough(gateway: StandIn, door: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"GATEWAY_URL": gateway.url, "SERVICE_BASE_URL": door, "SERVICE_NAME": "sums", "TASKGATE_API_KEY": KEY}
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    app = application()
    register(app)
    await lived(app, gateway, until=lambda: "sums" in gateway.services)
    assert gateway.keys == {KEY}


async def test_without_a_gateway_nothing_happens(caplog: pytest.LogCaptureFixture) -> None:
    app = application()
    found = register(app)
    with caplog.at_level(logging.DEBUG, logger="taskgate.service"):
        async with app.router.lifespan_context(app):
            pass
    assert [record.levelname for record in caplog.records] == ["DEBUG"]
    assert (found.is_registered, found.problem) == (False, "")


async def test_settings_that_cannot_work_stop_nobody(caplog: pytest.LogCaptureFixture) -> None:
    app = application()
    found = register(app, gateway_url="http://127.0.0.1:1", base_url="http://127.0.0.1:1")
    async with app.router.lifespan_context(app):
        assert "gateway's own address" in found.problem
    assert "gateway's own address" in caplog.text


async def test_a_gateway_that_forgot_is_told_again(gateway: StandIn, door: str) -> None:
    app = application()
    register(app, gateway_url=gateway.url, base_url=door)
    async with app.router.lifespan_context(app):
        await asyncio.to_thread(gateway.until, lambda: gateway.heard("PUT"))
        gateway.forget()
        await asyncio.to_thread(gateway.until, lambda: gateway.heard("POST") == 2)
        assert gateway.services.keys() == {"adding-machine"}


async def test_a_changed_document_is_told(gateway: StandIn, door: str) -> None:
    app = application()
    register(app, gateway_url=gateway.url, base_url=door)
    async with app.router.lifespan_context(app):
        await asyncio.to_thread(gateway.until, lambda: gateway.heard("PUT"))
        app.add_api_websocket_route("/live", lambda socket: None)
        await asyncio.to_thread(gateway.until, lambda: gateway.heard("POST") == 2)
        paths = [route["gateway_path"] for route in gateway.services["adding-machine"]["routes"]]
    assert paths == ["/add", "/live"]


async def test_a_gateway_that_comes_later_is_found(door: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    app = application()
    found = register(app, gateway_url=f"http://127.0.0.1:{port}", base_url=door)
    async with app.router.lifespan_context(app):
        await asyncio.to_thread(eventually, lambda: found.problem)
        assert "no answer from the gateway" in found.problem
        late = StandIn(port)
        try:
            await asyncio.to_thread(late.until, lambda: late.services)
            await asyncio.to_thread(eventually, lambda: not found.problem)
            assert found.is_registered
        finally:
            late.close()


async def test_a_refusal_is_said_once_and_tried_again(
    gateway: StandIn, door: str, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.refusal = (409, {"code": "ROUTE_TAKEN", "detail": "POST /add belongs to other"})
    app = application()
    found = register(app, gateway_url=gateway.url, base_url=door)
    async with app.router.lifespan_context(app):
        await asyncio.to_thread(gateway.until, lambda: gateway.heard("POST") >= 3)
        assert "ROUTE_TAKEN" in found.problem
        gateway.refusal = None
        await asyncio.to_thread(gateway.until, lambda: gateway.services)
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1


async def test_an_application_that_cannot_describe_itself_runs_on(gateway: StandIn, door: str) -> None:
    app = application()

    def broken() -> dict[str, Any]:
        raise RuntimeError("no schema for this")

    app.openapi = broken  # type: ignore[method-assign]
    found = register(app, gateway_url=gateway.url, base_url=door)
    async with app.router.lifespan_context(app):
        await asyncio.to_thread(eventually, lambda: found.problem)
    assert "no schema for this" in found.problem
    assert gateway.words == []


async def test_only_the_last_process_withdraws(gateway: StandIn, door: str) -> None:
    """Two lifespans of one service stand for two workers of one server."""
    first, second = application(), application()
    for app in (first, second):
        register(app, gateway_url=gateway.url, base_url=door)
    async with second.router.lifespan_context(second):
        await lived(first, gateway, until=lambda: gateway.heard("POST") == 2)
        assert gateway.heard("DELETE") == 0
        assert gateway.services.keys() == {"adding-machine"}
    assert gateway.heard("DELETE") == 1


async def test_starlette_is_read_from_its_routes(gateway: StandIn, door: str) -> None:
    async def hello(request: Request) -> PlainTextResponse:
        """Say hello.

        To whoever asks.
        """
        return PlainTextResponse("hello")

    app = Starlette(routes=[Route("/hello/{name:str}", hello)])
    register(app, name="greeter", gateway_url=gateway.url, base_url=door)
    async with app.router.lifespan_context(app):
        await asyncio.to_thread(gateway.until, lambda: gateway.services)
        told = gateway.services["greeter"]
    assert "openapi" not in told
    assert told["routes"] == [
        {
            "name": "hello",
            "method": "GET",
            "gateway_path": "/hello/{name}",
            "upstream_path": "/hello/{name}",
            "summary": "Say hello.",
            "description": "To whoever asks.",
        }
    ]


def test_any_program_can_be_registered(gateway: StandIn, door: str) -> None:
    routes = [{"name": "now", "method": "GET", "gateway_path": "/now", "upstream_path": "/now", "summary": "Now"}]
    with registered(name="clock", base_url=door, gateway_url=gateway.url, routes=routes) as found:
        gateway.until(lambda: gateway.heard("PUT"))
        assert isinstance(found, Registration)
        assert gateway.services["clock"]["routes"] == routes
    assert gateway.services == {}


async def test_an_own_lifespan_stays(gateway: StandIn, door: str) -> None:
    seen: list[str] = []
    app = application()
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(served: Any) -> Any:
        async with inner(served):
            seen.append("up")
            yield {"pool": 1}
            seen.append("down")

    app.router.lifespan_context = lifespan
    register(app, gateway_url=gateway.url, base_url=door)
    async with app.router.lifespan_context(app) as state:
        assert state == {"pool": 1}
    assert seen == ["up", "down"]
