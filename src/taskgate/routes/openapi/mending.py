"""The last look at a document: what its parts lack to be valid is added, what cannot be is left out.

A sloppy document is common and must not spoil the page for everybody. Discriminators that mean their schemas by name
get a mapping that says so, because names change when documents are merged.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from taskgate.routes.openapi.grammar import METHODS
from taskgate.routes.openapi.rewriting import Object, Rewriter, escaped

STATUS = re.compile(r"(?:[1-5](?:[0-9]{2}|XX)|default)")
STYLES = {
    "path": {"matrix", "label", "simple"},
    "header": {"simple"},
    "query": {"form", "spaceDelimited", "pipeDelimited", "deepObject"},
    "cookie": {"form"},
}
FITTING: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int | float) and not isinstance(value, bool) and value == int(value),
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "null": lambda value: value is None,
}
SCHEMAS = "#/components/schemas/"
DEAD = frozenset({"$defs", "definitions", "dependencies", "$vocabulary", "$recursiveRef", "$recursiveAnchor"})


def mended(tree: Object, warnings: list[str]) -> Object:
    """The document, made valid where that is possible. Its references must lead somewhere."""
    mender = _Mender(tree)
    done: Object = Rewriter(mender.visit, warnings=warnings).write(tree, "document")
    info = done.setdefault("info", {})
    info.setdefault("title", "")
    info.setdefault("version", "")
    done["openapi"] = "3.1.1"
    return done


class _Mender:
    def __init__(self, tree: Object) -> None:
        schemas = tree.get("components", {}).get("schemas", {})
        self._schemas = schemas
        self._names = {id(schema): name for name, schema in schemas.items()}
        self._children: dict[str, list[str]] = {}
        for name, schema in schemas.items():
            for part in schema.get("allOf", ()) if isinstance(schema, dict) else ():
                if isinstance(part, dict) and "$ref" in part:
                    self._children.setdefault(part["$ref"], []).append(name)

    def visit(self, kind: str, node: Object) -> Object | None:
        match kind:
            case "schema":
                return self._schema(node)
            case "parameter" if "$ref" not in node:
                return _parameter(node)
            case "header" if "$ref" not in node:
                return _value({**node, "style": "simple"} if "style" in node else node)
            case "body" if "$ref" not in node:
                return {"content": {}, **node}
            case "response" if "$ref" not in node:
                return {"description": "", **node}
            case "media":
                return {name: part for name, part in node.items() if name != "example" or "examples" not in node}
            case "example" if "value" in node:
                return {name: part for name, part in node.items() if name != "externalValue"}
            case "operation":
                return _operation(node)
            case "docs":
                return node if "url" in node else None
            case "tag":
                return node if "name" in node else None
        return node

    def _schema(self, node: Object) -> Object:
        if isinstance(node.get("discriminator"), dict):
            node = self._discriminated(node, self._names.get(id(node)))
        node = {name: part for name, part in node.items() if name not in DEAD}
        if "default" in node and not _fits(node["default"], node.get("type")):
            del node["default"]
        if "multipleOf" in node and not node["multipleOf"] > 0:
            del node["multipleOf"]
        dependent = node.get("dependentRequired")
        if dependent is not None and not (
            isinstance(dependent, dict) and all(_are_texts(part) for part in dependent.values())
        ):
            del node["dependentRequired"]
        for name in ("allOf", "anyOf", "oneOf", "prefixItems"):
            if node.get(name) == []:
                del node[name]
        return node

    def _discriminated(self, node: Object, name: str | None) -> Object:
        """The schema with a complete mapping in its discriminator; without it where it has no property."""
        told = node["discriminator"]
        property_name = told.get("propertyName")
        if not isinstance(property_name, str):
            return {key: part for key, part in node.items() if key != "discriminator"}
        mapping = self._mapping(told.get("mapping"))
        options = [
            part.get("$ref") for key in ("oneOf", "anyOf") for part in node.get(key, ()) if isinstance(part, dict)
        ]
        known = set(mapping.values())
        for reference in options or self._descendants(name):
            if isinstance(reference, str) and reference not in known:
                mapping.setdefault(reference.removeprefix(SCHEMAS), reference)
        kept = {"propertyName": property_name, **({"mapping": mapping} if mapping else {})}
        return {**node, "discriminator": kept}

    def _mapping(self, told: Any) -> dict[str, str]:
        found = {}
        for value, target in told.items() if isinstance(told, dict) else ():
            if isinstance(target, str):
                name = target.removeprefix(SCHEMAS)
                if name in self._schemas:
                    found[value] = SCHEMAS + escaped(name)
        return found

    def _descendants(self, name: str | None) -> list[str]:
        found: dict[str, None] = {}
        waiting = [] if name is None else [SCHEMAS + escaped(name)]
        while waiting:
            for child in self._children.get(waiting.pop(), ()):
                reference = SCHEMAS + escaped(child)
                if reference not in found:
                    found[reference] = None
                    waiting.append(reference)
        return list(found)


def _parameter(node: Object) -> Object | None:
    place = node.get("in")
    if place not in STYLES or not node.get("name"):
        return None
    node = _value(node)
    if node.get("style") not in (None, *STYLES[place]):
        del node["style"]
    if place == "path":
        node["required"] = True
    return node


def _value(node: Object) -> Object:
    """A parameter or header has either a schema or content of exactly one media type."""
    node = {name: part for name, part in node.items() if name != "example" or "examples" not in node}
    content = node.pop("content", None)
    if "schema" in node:
        return node
    if isinstance(content, dict) and len(content) == 1:
        return {name: part for name, part in node.items() if name not in ("style", "explode")} | {"content": content}
    return {**node, "schema": {}}


def _operation(node: Object) -> Object:
    kept = {status: told for status, told in node.get("responses", {}).items() if STATUS.fullmatch(status)}
    security = [part for part in node.get("security", ()) if isinstance(part, dict)]
    callbacks = {
        name: {key: item for key, item in callback.items() if key == "$ref" or _is_item(item)}
        for name, callback in node.get("callbacks", {}).items()
    }
    new = {**node, "responses": kept or {"default": {"description": "Not told."}}, "security": security}
    return {**new, "callbacks": callbacks} if callbacks else new


def _fits(value: Any, kind: Any) -> bool:
    """Whether a default is of its schema's type; generators like to write numbers as texts."""
    kinds = [kind] if isinstance(kind, str) else kind
    return not isinstance(kinds, list) or any(FITTING[name](value) for name in kinds)


def _is_item(item: Any) -> bool:
    return isinstance(item, dict) and any(method in item for method in METHODS)


def _are_texts(part: Any) -> bool:
    return isinstance(part, list) and all(isinstance(text, str) for text in part) and len(set(part)) == len(part)
