"""What is read of an application, whatever it was built with."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI, WebSocket
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute

from taskgate.service.collecting import document_of, routes_of, routes_of_document, template


def seen(app: Any) -> list[str]:
    return [f"{route['method']} {route['gateway_path']}" for route in routes_of(app, document_of(app))]


def fast() -> FastAPI:
    app, router = FastAPI(), APIRouter(prefix="/in")

    @router.get("/files/{name:path}", summary="A\nfile\x00")
    def file(name: str) -> str:
        return name

    @router.websocket("/live")
    async def live(socket: WebSocket) -> None:
        """Words."""

    @app.get("/secret", include_in_schema=False)
    def secret() -> str:
        return ""

    @app.get("/items/{number}")
    @app.delete("/items/{number}")
    def item(number: int) -> int:
        return number

    app.include_router(router)
    return app


def test_fastapi_with_routers_sockets_and_the_rest_of_a_path() -> None:
    assert seen(fast()) == [
        "GET /items/{number}",
        "DELETE /items/{number}",
        "GET /in/files/{name:path}",
        "GET /in/live",
    ]


def test_summaries_are_one_printable_line() -> None:
    app = fast()
    summary = next(route["summary"] for route in routes_of(app, document_of(app)) if "files" in route["gateway_path"])
    assert summary == "A file"


def test_starlette_with_mounts_classes_and_sockets() -> None:
    class Thing(HTTPEndpoint):
        """A thing."""

        async def get(self, request: Any) -> PlainTextResponse:
            return PlainTextResponse("")

    async def both(request: Any) -> PlainTextResponse:
        return PlainTextResponse("")

    async def live(socket: Any) -> None:
        """Words."""

    inner = [Route("/both/{id:int}", both, methods=["PUT", "POST"]), WebSocketRoute("/live", live)]
    app = Starlette(routes=[Mount("/m", routes=inner), Route("/hidden", both, include_in_schema=False)])
    assert seen(app) == ["POST /m/both/{id}", "PUT /m/both/{id}", "GET /m/live"]
    names = [route["name"] for route in routes_of(app, None)]
    assert len(set(names)) == len(names)


def test_names_are_distinct_and_fit_the_gateway() -> None:
    operation = {"operationId": "do it/" + "x" * 200}
    found = routes_of(Starlette(), {"paths": {"/a": {"get": operation}, "/b": {"get": operation}}})
    names = [route["name"] for route in found]
    assert names[0].startswith("do-it-x")
    assert len(set(names)) == 2
    assert max(map(len, names)) <= 128


def test_templates_lose_their_converters() -> None:
    assert template("/a/{b:int}/{c}/{d:path}") == "/a/{b}/{c}/{d:path}"
    assert template("/a/{d:path}", keep_rest=False) == "/a/{d}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=6), st.dictionaries(st.sampled_from(["get", "post", "x"]), JSON, max_size=3)))
def test_no_document_is_too_strange(paths: dict[str, Any]) -> None:
    for route in routes_of_document({"paths": paths}):
        assert {"name", "method", "gateway_path", "upstream_path"} <= route.keys()
