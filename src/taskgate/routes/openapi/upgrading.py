"""OpenAPI 3.0 becomes 3.1: the schemas change their dialect, everything else stays.

`nullable` becomes a type, boolean bounds become numbers, `example` becomes `examples`, formats that meant bytes become
content keywords. What stood beside a `$ref` was ignored in 3.0: notes for people stay, rules go.
"""

from __future__ import annotations

from typing import Any

from taskgate.routes.openapi.rewriting import Object

NOTES = frozenset(
    {"$ref", "title", "description", "deprecated", "readOnly", "writeOnly", "example", "examples", "externalDocs"}
)
CHOICES = ("allOf", "anyOf", "oneOf")
CONTENT = {"binary": ("contentMediaType", "application/octet-stream"), "base64": ("contentEncoding", "base64")}


def upgraded(kind: str, node: Object) -> Object:
    """An object of a 3.0 document as 3.1 writes it; its fields are still to be visited."""
    if kind == "schema":
        return _schema(node)
    return node


def _schema(old: Object) -> Object:
    if isinstance(old.get("$ref"), str):
        old = {name: part for name, part in old.items() if name in NOTES or name.startswith("x-")}
    new = {name: part for name, part in old.items() if name not in ("nullable", "example", "x-nullable", "x-example")}
    for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        _bound(new, bound, limit)
    if new.get("type") == "file":
        new |= {"type": "string", "format": "binary"}
    for name in ("example", "x-example"):
        if name in old and "examples" not in new:
            new["examples"] = [old[name]]
    found = CONTENT.get(new["format"]) if isinstance(new.get("format"), str) else None
    if found and new.get("type") == "string":
        del new["format"]
        new.setdefault(*found)
    nullable = old.get("nullable") is True or old.get("x-nullable") is True
    return _nullable(new) if nullable and "$ref" not in new else new


def _bound(new: Object, bound: str, limit: str) -> None:
    """`minimum: 3, exclusiveMinimum: true` is `exclusiveMinimum: 3`."""
    if isinstance(new.get(bound), bool) and new.pop(bound) and limit in new:
        new[bound] = new.pop(limit)


def _nullable(new: Object) -> Object:
    kind: Any = new.get("type")
    if isinstance(kind, str):
        return {**new, "type": [kind, "null"]}
    if any(choice in new for choice in CHOICES):
        rest = {name: part for name, part in new.items() if name not in NOTES}
        notes = {name: part for name, part in new.items() if name in NOTES}
        return {**notes, "anyOf": [rest, {"type": "null"}]}
    return new
