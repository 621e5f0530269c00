"""An operation for a route that no document tells of, from what was registered with it.

A schema is read off the examples, so that the page shows a form and a client generator has something to go by.
"""

from __future__ import annotations

from typing import Any

import msgspec

from taskgate.routes.openapi.rewriting import Object
from taskgate.routes.service import Route

WITH_BODY = frozenset({"post", "put", "patch"})
MAX_DEPTH = 20
JSON = "application/json"


def plain_operation(route: Route, method: str) -> Object:
    """The operation as far as the route tells it; path parameters are added by whoever asks."""
    body = _example(route.request_example)
    answer = _example(route.response_example)
    told: Object = {
        "summary": route.summary or route.name,
        "responses": {"200": _told("What the service answers.", answer)},
    }
    if route.description:
        told["description"] = route.description
    if route.task:
        told["responses"]["202"] = {"description": "Accepted as a run; `Location` says where to read it."}
    if method in WITH_BODY or (body and method not in ("get", "head")):
        content = {JSON: _media(body)} if body or route.task else {"*/*": {}}
        told["requestBody"] = {"content": content}
    return told


def _example(raw: msgspec.Raw | None) -> list[Any]:
    if raw is None:
        return []
    try:
        return [msgspec.json.decode(raw)]
    except (msgspec.DecodeError, RecursionError):
        return []


def _told(words: str, example: list[Any]) -> Object:
    return {"description": words, "content": {JSON: _media(example)}} if example else {"description": words}


def _media(example: list[Any]) -> Object:
    return {"schema": schema_of(example[0]), "example": example[0]} if example else {"schema": {}}


def schema_of(value: Any, depth: int = 0) -> Object:
    """The plainest schema that the value fits."""
    if depth > MAX_DEPTH:
        return {}
    match value:
        case None:
            return {}
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer"}
        case float():
            return {"type": "number"}
        case str():
            return {"type": "string"}
        case list():
            return {"type": "array", "items": schema_of(value[0], depth + 1) if value else {}}
        case dict():
            return {"type": "object", "properties": {name: schema_of(part, depth + 1) for name, part in value.items()}}
    return {}
