"""Small documents for tests."""

from __future__ import annotations

import json
from typing import Any

from taskgate.routes.openapi.reading import ApiDocument, read_document
from taskgate.routes.service import Route, Service


def document(paths: Any = None, /, *, version: str = "3.1.0", **parts: Any) -> dict[str, Any]:
    """A document with these paths and parts."""
    return {"openapi": version, "info": {"title": "t", "version": "1"}, "paths": paths or {}, **parts}


def encoded(told: Any) -> bytes:
    return json.dumps(told).encode()


def read(paths: Any = None, /, *, version: str = "3.1.0", **parts: Any) -> ApiDocument:
    return read_document(encoded(document(paths, version=version, **parts)))


def with_schema(schema: Any, *, version: str = "3.1.0", **schemas: Any) -> dict[str, Any]:
    """A document whose `GET /` answers with the schema; `schemas` are its components."""
    answer = {"description": "", "content": {"application/json": {"schema": schema}}}
    return document({"/": {"get": {"responses": {"200": answer}}}}, version=version, components={"schemas": schemas})


def schema_of(told: dict[str, Any]) -> Any:
    """The schema that `with_schema` put in, after reading."""
    tree = read_document(encoded(told)).tree
    return tree["paths"]["/"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]


def service(told: Any = None, *routes: Route, name: str = "shop") -> Service:
    """A service with that document; its routes are those given, else every operation under `/NAME`."""
    data = b"" if told is None else encoded(told)
    if not routes and data:
        routes = tuple(
            Route(
                name=one.operation_id or one.path, method=one.method, path=f"/{name}{one.path}", upstream_path=one.path
            )
            for one in read_document(data).operations
        )
    return Service(name=name, base_url="http://up.test", prefix=f"/{name}", routes=routes, document=data)
