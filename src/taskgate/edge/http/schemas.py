"""JSON Schemas for the document: our shapes as components, and other people's schemas made safe to embed.

A task's schema was written to stand alone; inside a document its local references would point at the document's
root. They are rewritten to where the schema now stands; references to other documents are cut, so a page never
fetches anything. What is too deep or broken becomes a schema that allows everything, and the page lives on.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import msgspec

from taskgate.edge.http import (
    bodies,
    call_shapes,
    gateway_shapes,
    past_shapes,
    queue_shapes,
    run_log_shapes,
    service_bodies,
    service_shapes,
    shapes,
    token_shapes,
)

REFERENCE = "#/components/schemas/{name}"
MAX_DEPTH = 60
ANYTHING: dict[str, Any] = {}
NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
VALUES = frozenset({"const", "enum", "default", "examples", "example", "required"})
DROPPED = frozenset({"$schema", "$id", "$comment"})


def public_name(shape: type) -> str:
    """The name of a shape in the document: `RunShape` is a Run there."""
    return shape.__name__.removesuffix("Shape")


def components() -> dict[str, Any]:
    """Every shape of this door by its public name."""
    found = [
        kind
        for module in (
            bodies,
            service_bodies,
            shapes,
            service_shapes,
            call_shapes,
            queue_shapes,
            gateway_shapes,
            run_log_shapes,
            past_shapes,
            token_shapes,
        )
        for kind in _shapes_of(module)
    ]
    _, schemas = msgspec.json.schema_components(found, ref_template=REFERENCE)
    return {name.removesuffix("Shape"): _renamed(schema) for name, schema in sorted(schemas.items())}


def _shapes_of(module: ModuleType) -> list[type]:
    parents = (bodies.Shape, shapes.Given, msgspec.Struct)
    members = vars(module).values()
    own = [kind for kind in members if isinstance(kind, type) and kind.__module__ == module.__name__]
    return [kind for kind in own if issubclass(kind, parents) and kind not in parents]


def _renamed(node: Any) -> Any:
    """The schema with references to public names, and without the titles that repeat them."""
    if isinstance(node, list):
        return [_renamed(part) for part in node]
    if not isinstance(node, dict):
        return node
    renamed = {name: _renamed(part) for name, part in node.items() if name != "title"}
    if isinstance(reference := renamed.get("$ref"), str):
        renamed["$ref"] = reference.removesuffix("Shape")
    return renamed


def embedded(schema: msgspec.Raw, name: str) -> Any:
    """A schema that stood alone, ready to stand as the component `name`."""
    try:
        return _moved(msgspec.json.decode(schema), REFERENCE.format(name=name), 0)
    except (msgspec.DecodeError, RecursionError, _TooDeepError):
        return ANYTHING


class _TooDeepError(Exception):
    """A schema nests deeper than a page can show."""


def _moved(node: Any, place: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise _TooDeepError
    if isinstance(node, list):
        return [_moved(part, place, depth + 1) for part in node]
    if not isinstance(node, dict):
        return node
    moved: dict[str, Any] = {}
    for name, part in node.items():
        if name in DROPPED:
            continue
        if name in ("$ref", "$dynamicRef"):
            if isinstance(part, str) and part.startswith("#") and (part == "#" or part[1] == "/"):
                moved["$ref"] = place + part[1:]
        elif name in VALUES:
            moved[name] = part
        elif name in NAMED and isinstance(part, dict):
            moved[name] = {key: _moved(value, place, depth + 2) for key, value in part.items()}
        else:
            moved[name] = _moved(part, place, depth + 1)
    return moved
