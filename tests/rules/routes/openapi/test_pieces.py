"""A service's piece: matching of routes, names, security, examples, and what plain routes look like."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from taskgate.errors import InvalidInput
from taskgate.routes.openapi.merging import merge
from taskgate.routes.openapi.pieces import Piece, piece_of
from taskgate.routes.policy import Policy
from taskgate.routes.service import Route, Service
from tests.golden.openapi.documents import OWN, check
from tests.rules.routes.openapi.writing import document, service

ITEM = {"type": "object", "properties": {"name": {"type": "string"}}}


def shown(piece: Piece) -> dict[tuple[str, str], dict[str, Any]]:
    check(merge(OWN, [piece]))
    return {(one.method, one.path): one.told for one in piece.operations}


def test_only_what_is_registered_is_shown() -> None:
    told = document({"/a": {"get": {"operationId": "a"}, "post": {"operationId": "p"}}, "/b": {"get": {}}})
    piece = piece_of(service(told, Route(name="r", method="GET", path="/x/a", upstream_path="/a")))
    assert shown(piece).keys() == {("get", "/x/a")}
    assert piece.operations[0].told["operationId"] == "shop.a"


def test_variables_take_the_routes_names() -> None:
    parameter = {"name": "id", "in": "path", "schema": {"type": "integer"}, "description": "d"}
    told = document({"/a/{id}": {"get": {"parameters": [parameter]}}})
    piece = piece_of(service(told, Route(name="r", method="GET", path="/x/{item}", upstream_path="/a/{item}")))
    assert shown(piece)["get", "/x/{item}"]["parameters"] == [{**parameter, "name": "item", "required": True}]


def test_missing_and_extra_path_parameters_are_put_right() -> None:
    told = document({"/a/{id}": {"get": {"parameters": [{"name": "other", "in": "path", "schema": {}}]}}})
    (operation,) = shown(piece_of(service(told))).values()
    assert [one["name"] for one in operation["parameters"]] == ["id"]


def test_the_gateways_headers_are_not_parameters() -> None:
    names = ["Authorization", "X-API-Key", "Accept", "X-Own"]
    told = document({"/a": {"get": {"parameters": [{"name": name, "in": "header", "schema": {}} for name in names]}}})
    (operation,) = shown(piece_of(service(told))).values()
    assert [one["name"] for one in operation["parameters"]] == ["X-Own"]


def test_a_base_path_in_the_document() -> None:
    told = document({"/a": {"get": {"operationId": "a"}}}, servers=[{"url": "https://x.test/v2"}])
    piece = piece_of(service(told, Route(name="r", method="GET", path="/x/a", upstream_path="/v2/a")))
    assert shown(piece)["get", "/x/a"]["operationId"] == "shop.a"


def test_a_rest_route_shows_what_is_below_it() -> None:
    told = document({"/a/{id}": {"get": {}, "post": {}}, "/b": {"get": {}}, "/c": {"get": {"operationId": "c"}}})
    rest = Route(name="all", method="*", path="/x/{rest:path}", upstream_path="/{rest:path}")
    own = Route(name="own", method="GET", path="/x/c", upstream_path="/c")
    found = shown(piece_of(service(told, rest, own)))
    assert found.keys() == {("get", "/x/a/{id}"), ("post", "/x/a/{id}"), ("get", "/x/b"), ("get", "/x/c")}
    assert found["get", "/x/c"]["operationId"] == "shop.c"


def test_every_route_is_shown_even_if_paths_look_alike() -> None:
    one = Route(name="one", method="GET", path="/f/{name}")
    rest = Route(name="rest", method="GET", path="/f/{rest:path}")
    assert shown(piece_of(service(None, rest, one))).keys() == {
        ("get", "/f/{name}"),
        ("get", "/f/{first_segment}/{rest}"),
    }


def test_a_route_without_a_document() -> None:
    route = Route(
        name="add", method="POST", path="/add/{n}", summary="Adds.", description="d",
        request_example=msgspec.Raw(b'{"a":1,"b":[1.5]}'), response_example=msgspec.Raw(b'{"sum":2}'),
    )  # fmt: skip
    (operation,) = shown(piece_of(service(None, route))).values()
    assert operation["summary"] == "Adds."
    assert operation["description"] == "d\n\nNeeds the scope `submit`."
    body = operation["requestBody"]["content"]["application/json"]
    assert body["example"] == {"a": 1, "b": [1.5]}
    assert body["schema"]["properties"]["b"] == {"type": "array", "items": {"type": "number"}}
    assert operation["responses"]["200"]["content"]["application/json"]["example"] == {"sum": 2}
    assert operation["operationId"] == "shop.add"


def test_scopes_are_told() -> None:
    open_to_all = Route(name="a", method="GET", path="/a", policy=Policy(scope=""))
    of_service = Route(name="b", method="GET", path="/b")
    told = Service(name="shop", base_url="http://x", routes=(open_to_all, of_service), policy=Policy(scope="read"))
    assert [one.scope for one in piece_of(told).operations] == ["", "read"]


SECURED = document(
    {
        "/a": {
            "servers": [{"url": "http://inside.test"}],
            "get": {
                "operationId": "a",
                "servers": [{"url": "http://inside.test"}],
                "security": [{"key": []}],
                "responses": {"200": {"$ref": "#/components/responses/R"}},
                "callbacks": {"done": {"{$request.body#/url}": {"post": {"operationId": "done", "servers": []}}}},
            },
        },
        "/b": {"get": {"operationId": "b"}},
    },
    servers=[{"url": "http://inside.test"}],
    components={
        "schemas": {"Item": ITEM, "Unused": ITEM},
        "responses": {
            "R": {
                "description": "",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}},
                "links": {
                    "byId": {"operationId": "b"},
                    "byRef": {"operationRef": "#/paths/~1b/get"},
                    "gone": {"operationId": "nobody"},
                    "far": {"operationRef": "http://evil.test/#/paths/~1b/get"},
                },
            }
        },
        "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "k"}},
    },
)


def test_servers_and_security_are_gone_and_names_are_the_services() -> None:
    piece = piece_of(service(SECURED))
    operation = shown(piece)["get", "/shop/a"]
    answer = operation["responses"]["200"]
    assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/shop.Item"}
    assert answer["content"]["application/json"]["example"] == {"name": "string"}
    assert answer["links"] == {"byId": {"operationId": "shop.b"}, "byRef": {"operationId": "shop.b"}}
    assert operation["callbacks"]["done"]["{$request.body#/url}"]["post"]["operationId"] == "shop.done"
    assert piece.components.keys() == {("schemas", "shop.Item")}
    assert "inside.test" not in str(piece.operations)


def test_dynamic_references_keep_their_meaning() -> None:
    tree = {"$dynamicAnchor": "node", "type": "object", "properties": {"next": {"$dynamicRef": "#node"}}}
    answer = {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Tree"}}}}}
    piece = piece_of(service(document({"/": {"get": {"responses": answer}}}, components={"schemas": {"Tree": tree}})))
    shown(piece)
    ((schema, _),) = piece.components.values()
    assert schema["$dynamicAnchor"] == "_shop.node"
    assert schema["properties"]["next"] == {"$dynamicRef": "#_shop.node"}


def test_a_broken_document_is_refused() -> None:
    broken = Service(name="a", base_url="http://x", routes=(Route(name="a", method="GET", path="/"),), document=b"{")
    with pytest.raises(InvalidInput):
        piece_of(broken)
