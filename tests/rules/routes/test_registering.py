"""From an announcement to a service: explicit routes, routes of a document, rights on paths, warnings."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from taskgate.errors import Forbidden, InvalidInput
from taskgate.identity.principal import Principal
from taskgate.routes.openapi.reading import read_document
from taskgate.routes.registering import MAX_WARNINGS, Rights, bounded, rights_of, service_of
from taskgate.routes.registration import Registration, WantedRoute
from taskgate.routes.service import Service
from taskgate.routes.settings import RouteSettings

SETTINGS = RouteSettings(max_routes=50)
ANYBODY = Rights()
ADMIN = Rights(is_admin=True)


def document(*served: str, **members: Any) -> bytes:
    """An OpenAPI document that serves these (`GET /path`)."""
    paths: dict[str, Any] = {}
    for text in served:
        method, _, path = text.partition(" ")
        operation: dict[str, Any] = {"summary": f"does {path}", "operationId": "op" + path}
        operation["responses"] = {"200": {"description": "x"}}
        names: list[str] = [part[1:-1] for part in path.split("/") if part[:1] == "{"]
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ]
        paths.setdefault(path, {})[method.lower()] = operation
    told = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths, **members}
    return msgspec.json.encode(told)


def route(path: str = "/v1/ai/math/add", **changes: Any) -> WantedRoute:
    return msgspec.structs.replace(WantedRoute(name="add", method="post", gateway_path=path), **changes)


def made(rights: Rights = ANYBODY, data: bytes = b"", **changes: Any) -> tuple[Service, list[str]]:
    asked = msgspec.structs.replace(Registration(name="math", base_url="http://127.0.0.1:8082/"), **changes)
    return service_of(asked, read_document(data) if data else None, rights=rights, settings=SETTINGS)


def shown(service: Service) -> list[str]:
    return [f"{one.method} {one.path} > {one.upstream_path}" for one in service.routes]


def test_explicit_routes_of_the_first_kit() -> None:
    """Seed 000: public paths are whole, upstream paths are the service's own."""
    service, warnings = made(routes=(route(upstream_path="/api/add", summary="adds"),))
    assert shown(service) == ["POST /v1/ai/math/add > /api/add"]
    assert (service.base_url, service.lease_s, service.follows_document) == ("http://127.0.0.1:8082", 30.0, False)
    assert warnings == ["POST /v1/ai/math/add has no example"]


@pytest.mark.parametrize(
    ("prefix", "path", "upstream", "expected"),
    [
        ("", "/a/b", "", "/a/b > /a/b"),
        ("/p", "/a/b", "", "/p/a/b > /a/b"),
        ("/p/", "/p/a", "", "/p/a > /a"),
        ("/p", "/p", "", "/p > /"),
        ("/p", "/", "", "/p > /"),
        ("/p", "/pa", "", "/p/pa > /pa"),
        ("/p", "/a/{x}", "/b/{x}/c", "/p/a/{x} > /b/{x}/c"),
        ("/p", "/a/{r:path}", "", "/p/a/{r:path} > /a/{r:path}"),
    ],
)
def test_a_prefix_stands_before_each_path_once(prefix: str, path: str, upstream: str, expected: str) -> None:
    service, _ = made(prefix=prefix, routes=(route(path, upstream_path=upstream),))
    assert shown(service) == [f"POST {expected}"]


@pytest.mark.parametrize(
    ("routes", "place"),
    [
        ((route("/a"), route("/a", name="b")), "/routes/1/gateway_path"),
        ((route("/a/{x}"), route("/a/{y}", name="b")), "/routes/1/gateway_path"),
        ((route("/a"), route("/b")), "/routes/1/name"),
        ((route("/a/%2e"),), "/routes/0/gateway_path"),
        ((route("/a", upstream_path="/../x"),), "/routes/0/upstream_path"),
        ((route("/a", upstream_path="//evil.example/x"),), "/routes/0/upstream_path"),
        ((route("/a", upstream_path="http://evil.example/"),), "/routes/0/upstream_path"),
        ((route("/a/{x}", upstream_path="/b/{y}"),), "/routes/0/upstream_path"),
        ((route("/a/{x}", upstream_path="/b/{x:path}"),), "/routes/0/upstream_path"),
        ((route("/gateway/register"),), "/routes/0/gateway_path"),
        ((route("/v1/runs/{x}"),), "/routes/0/gateway_path"),
        ((route("/a" * 31 + "/{x}/b"),), "/routes/0/gateway_path"),
    ],
)
def test_one_bad_route_refuses_them_all(routes: tuple[WantedRoute, ...], place: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        made(ADMIN, routes=routes)
    assert refused.value.extra["path"] == place


@pytest.mark.parametrize("path", ["/", "/{x}", "/{x:path}", "/v1/{x}"])
def test_a_whole_level_is_for_administrators(path: str) -> None:
    with pytest.raises(Forbidden):
        made(routes=(route(path),))
    assert made(ADMIN, routes=(route(path),))[0].routes[0].path == path


@pytest.mark.parametrize("prefix", ["/v1", "/api", "/api/v1"])
def test_so_is_a_prefix_above_the_gateways_own_paths(prefix: str) -> None:
    with pytest.raises(Forbidden):
        made(prefix=prefix, routes=(route("/a"),))
    assert made(ADMIN, prefix=prefix, routes=(route("/a"),))[0].prefix == prefix


@pytest.mark.parametrize("prefix", ["/gateway", "/v1/runs", "/docs/x", "/{x}", "/a/../b", "a", "/a?"])
def test_prefixes_that_nobody_gets(prefix: str) -> None:
    with pytest.raises(InvalidInput):
        made(ADMIN, prefix=prefix, routes=(route("/a"),))


def test_a_key_with_prefixes_registers_below_them() -> None:
    rights = rights_of(Principal(id="k", name="k", prefixes=("/v1/ai", "/x"), scopes=frozenset({"admin"})))
    made(rights, routes=(route("/v1/ai/add"), route("/x", name="b")))
    for path in ("/v1/aim", "/y", "/{x:path}"):
        with pytest.raises(Forbidden):
            made(rights, routes=(route(path),))
    with pytest.raises(Forbidden):
        made(rights, prefix="/y", routes=(route("/a"),))
    with pytest.raises(Forbidden):
        made(rights, document("GET /v1/ai/a", "GET /y"))


def test_every_operation_of_a_document_becomes_a_route() -> None:
    data = document("GET /items", "POST /items", "GET /items/{id}")
    service, warnings = made(data=data, prefix="/shop", document=data)
    assert shown(service) == [
        "GET /shop/items > /items", "POST /shop/items > /items", "GET /shop/items/{id} > /items/{id}"
    ]  # fmt: skip
    assert service.follows_document
    assert service.document == data
    assert [one.name for one in service.routes] == ["op-items", "op-items-2", "op-items-id"]
    assert service.routes[0].summary == "does /items"
    assert len(warnings) == 3


def test_the_path_of_the_documents_server_stands_upstream_once() -> None:
    data = document("GET /items", servers=[{"url": "https://elsewhere.example/api/v1"}])
    assert shown(made(data=data)[0]) == ["GET /items > /api/v1/items"]
    assert shown(made(data=data, base_url="http://h/api/v1")[0]) == ["GET /items > /items"]


def test_what_cannot_be_a_route_is_left_out_with_a_warning() -> None:
    data = document("GET /items", "GET /", "GET /health", "TRACE /x", "GET /a({id})", "GET /f/{name}.json", "GET /a;b")
    service, warnings = made(data=data)
    assert shown(service) == ["GET /items > /items"]
    assert len([text for text in warnings if "is left out" in text]) >= 4
    assert all(text.isprintable() for text in warnings)


@pytest.mark.parametrize("data", [b"", document(), document("GET /health")])
def test_a_service_has_something_to_serve(data: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        made(data=data)
    assert refused.value.code == "NOTHING_TO_SERVE"


def test_explicit_routes_limit_what_the_document_says() -> None:
    """And take their summaries from it."""
    data = document("POST /add", "POST /multiply")
    service, warnings = made(data=data, routes=(route("/math/add", upstream_path="/add"),), document=data)
    assert shown(service) == ["POST /math/add > /add"]
    assert service.routes[0].summary == "does /add"
    assert warnings == ["POST /math/add has no example"]


def test_the_quota_counts_operations_too() -> None:
    with pytest.raises(InvalidInput) as refused:
        made(data=document(*(f"GET /a{n}" for n in range(51))))
    assert refused.value.code == "TOO_MANY_ROUTES"


def test_warnings_are_few() -> None:
    assert bounded(["a"]) == ("a",)
    assert len(bounded(["a"] * 500)) == MAX_WARNINGS + 1
    assert bounded(["a"] * 500)[-1] == "and 450 more"


def test_a_route_for_every_method_is_as_good_as_any() -> None:
    """Documents show it once for each method that they know."""
    _, warnings = made(routes=(route("/a", method="*", summary="x", response_example=msgspec.Raw(b"1")),))
    assert warnings == []


def test_a_route_to_a_task_needs_no_upstream_path() -> None:
    service, _ = made(routes=(route("/a", task="math.add"),))
    assert (service.routes[0].task, service.routes[0].upstream_path) == ("math.add", "")
