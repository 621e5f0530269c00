"""Answers that come piece by piece, as OpenAPI 3.2 tells them: by the schema of one piece (`itemSchema`).

An older document told the whole; nothing of it is lost, and nothing that was put in is changed.
"""

from __future__ import annotations

from typing import Any

from taskgate.routes.openapi.rewriting import Object

EVENTS = "text/event-stream"
STREAMS = frozenset({EVENTS, "application/jsonl", "application/x-ndjson", "application/json-seq"})


def with_items(operation: Object) -> Object:
    """The operation with an `itemSchema` for each stream in its answers."""
    return {
        **operation,
        "responses": {status: _answer(answer) for status, answer in operation.get("responses", {}).items()},
    }


def _answer(answer: Object) -> Object:
    if "content" not in answer:
        return answer
    content = {name: _media(media, name) if name in STREAMS else media for name, media in answer["content"].items()}
    return {**answer, "content": content}


def _media(media: Object, name: str) -> Object:
    rest = {key: part for key, part in media.items() if key not in ("schema", "x-item")}
    if "x-item" in media:
        return {**rest, "itemSchema": media["x-item"]}
    schema = media.get("schema", {})
    return {**rest, "itemSchema": _event(schema) if name == EVENTS else schema}


def _event(schema: Any) -> Object:
    """One event (HTML standard, 9.2.6) whose data is a text, or JSON where the schema says more."""
    data: Object = {"type": "string"}
    if isinstance(schema, dict) and schema and schema.get("type") != "string":
        data |= {"contentMediaType": "application/json", "contentSchema": schema}
    text = {"type": "string"}
    return {
        "type": "object",
        "required": ["data"],
        "properties": {"data": data, "event": text, "id": text, "retry": {"type": "integer", "minimum": 0}},
    }
