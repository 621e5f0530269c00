"""Registered services in the one document and in the Postman collection: who sees what, and what it looks like."""

from __future__ import annotations

import json
from typing import Any

from tests.edge.http.house import House
from tests.golden.openapi.documents import check

RUN = {"$ref": "#/components/schemas/Run"}
OPENAPI = {
    "openapi": "3.0.3",
    "info": {"title": "Shop", "version": "1"},
    "servers": [{"url": "http://inside.test"}],
    "paths": {
        "/items/{id}": {
            "get": {
                "operationId": "readItem",
                "tags": ["items"],
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
                "responses": {"200": {"description": "d", "content": {"application/json": {"schema": RUN}}}},
            },
            "put": {
                "requestBody": {"content": {"application/json": {"schema": RUN}}},
                "responses": {"200": {"description": "{{apiKey}}"}},
                "summary": "{{apiKey}}",
            },
        }
    },
    "components": {"schemas": {"Run": {"type": "object", "properties": {"name": {"type": "string", "example": "n"}}}}},
}  # fmt: skip


async def register(house: House, **more: Any) -> Any:
    body = {"name": "shop", "base_url": "http://127.0.0.1:9", "prefix": "/shop", "openapi": OPENAPI, **more}
    reply = await house.ask("POST", "/gateway/register", key=await house.key("admin"), body=json.dumps(body).encode())
    assert reply.status == 200, reply.body
    return reply.told


async def read(house: House, path: str, *scopes: str, site: str = "acme") -> Any:
    reply = await house.ask("GET", path, key=await house.key(*scopes, site=site))
    assert reply.status == 200
    return reply.told


async def test_services_stand_beside_our_own_api(house: House) -> None:
    await register(house)
    for version in ("3.1", "3.2"):
        told = await read(house, f"/openapi.json?version={version}", "admin")
        check_all(told, version)
        operation = told["paths"]["/shop/items/{id}"]["get"]
        assert operation["operationId"] == "shop.readItem"
        assert operation["responses"]["200"]["content"]["application/json"]["example"] == {"name": "n"}
        assert {"Run", "shop.Run"} <= told["components"]["schemas"].keys()
        assert "inside.test" not in json.dumps(told)


def check_all(told: dict[str, Any], version: str) -> None:
    health = [path for path in told["paths"] if path.startswith("/health")]
    for path in health:
        del told["paths"][path]["get"]["security"]
    check(told, version=version)


async def test_who_sees_it(house: House) -> None:
    await register(house, shared=False)
    assert "/shop/items/{id}" in (await read(house, "/openapi.json", "submit"))["paths"]
    for scopes, site in ((("read",), "acme"), (("submit",), "other")):
        told = await read(house, "/openapi.json", *scopes, site=site)
        assert "shop" not in json.dumps(told["paths"])
        assert "shop.Run" not in told["components"]["schemas"]


async def test_a_change_is_seen_at_once(house: House) -> None:
    before = await read(house, "/openapi.json", "admin")
    await register(house)
    after = await read(house, "/openapi.json", "admin")
    assert after["paths"].keys() - before["paths"].keys() == {"/shop/items/{id}"}
    reply = await house.ask("DELETE", "/gateway/services/shop", key=await house.key("admin"))
    assert reply.status < 300
    assert await read(house, "/openapi.json", "admin") == before


async def test_the_collection(house: House) -> None:
    await register(house)
    told = await read(house, "/postman.json", "admin")
    assert told["info"]["schema"].endswith("v2.1.0/collection.json")
    folders = {folder["name"]: folder["item"] for folder in told["item"]}
    (item,) = folders["shop · items"]
    assert item["request"]["method"] == "GET"
    assert item["request"]["url"]["raw"] == "{{baseUrl}}/shop/items/:id"
    assert item["request"]["url"]["variable"][0]["key"] == "id"
    (put,) = folders["shop"]
    assert json.loads(put["request"]["body"]["raw"]) == {"name": "n"}
    assert "{{apiKey}}" not in json.dumps(told["item"])
    assert {variable["key"]: variable["value"] for variable in told["variable"]}["apiKey"] == ""
    document = await read(house, "/openapi.json", "admin")
    count = sum(len(item) for item in document["paths"].values())
    assert sum(len(items) for items in folders.values()) == count


async def test_what_breaks_callers_is_a_warning(house: House) -> None:
    assert not [one for one in (await register(house))["warnings"] if "breaks" in one]
    kept = {"get": OPENAPI["paths"]["/items/{id}"]["get"]}  # type: ignore[index]
    told = await register(house, openapi={**OPENAPI, "paths": {"/items/{id}": kept}})
    assert "breaks callers: PUT /items/{id}: is gone" in told["warnings"]
