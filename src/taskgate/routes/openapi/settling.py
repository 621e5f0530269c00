"""Makes every reference of a 3.1 document one of the form `#/components/SECTION/NAME`, and leading somewhere.

What is pointed to by another way (into a path, deeper into a component, by an anchor or an `$id`) becomes a component
of its own, named after the pointer. What is not in the document is left out with a warning: a schema allows anything
there. References that only lead to each other lead nowhere. Parameters and security of paths and of the root are
pushed down to each operation, so that an operation can be read alone.
"""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import unquote

from taskgate.routes.openapi.circles import cut_circles, open_circles
from taskgate.routes.openapi.grammar import METHODS, SECTIONS
from taskgate.routes.openapi.mending import mended
from taskgate.routes.openapi.rewriting import Object, Rewriter, escaped, unescaped

MAX_HOISTED = 1000
MAX_CHAIN = 50
MOVED = frozenset({"$ref", "$anchor", "$id", "$schema", "$dynamicRef"})
ANCHORS = frozenset({"$anchor", "$dynamicAnchor", "$id"})
PREFIX = "#/components/"


def settled(tree: Object, warnings: list[str]) -> Object:
    """The document with its references settled. `tree` has been brought to 3.1 and fits the grammar."""
    tree = {**tree, "paths": {path: _inlined(item, tree, warnings) for path, item in tree["paths"].items()}}
    for item in tree["paths"].values():
        _push_down(item, tree)
    return _Settler(tree, warnings).settle()


def _inlined(item: Object, tree: Object, warnings: list[str]) -> Object:
    """A path item with what its `$ref` leads to."""
    for _ in range(MAX_CHAIN):
        reference = item.get("$ref")
        if reference is None:
            return dict(item)
        found = pointed(tree, reference)
        rest = {name: part for name, part in item.items() if name != "$ref"}
        if not isinstance(found, dict):
            warnings.append(f"/paths: {reference[:200]!r} leads nowhere")
            return rest
        item = {**found, **rest}
    return {name: part for name, part in item.items() if name != "$ref"}


def _push_down(item: Object, tree: Object) -> None:
    shared = item.pop("parameters", [])
    for method in METHODS:
        if method not in item:
            continue
        operation = dict(item[method])
        operation.setdefault("security", tree.get("security", []))
        own = {_identity(parameter, tree) for parameter in operation.get("parameters", ())}
        parameters = [parameter for parameter in shared if _identity(parameter, tree) not in own]
        if parameters or "parameters" in operation:
            operation["parameters"] = [*parameters, *operation.get("parameters", ())]
        for name in ("summary", "description"):
            if name in item:
                operation.setdefault(name, item[name])
        item[method] = operation


def _identity(parameter: Object, tree: Object) -> tuple[Any, Any]:
    for _ in range(MAX_CHAIN):
        if "$ref" not in parameter:
            break
        found = pointed(tree, parameter["$ref"])
        parameter = found if isinstance(found, dict) else {}
    return parameter.get("in"), parameter.get("name")


def pointed(tree: Any, reference: str) -> Any:
    """What a local JSON pointer (`#/…`) leads to, None for nothing."""
    if reference == "#":
        return tree
    if not reference.startswith("#/"):
        return None
    for part in unquote(reference[2:]).split("/"):
        name = unescaped(part)
        if isinstance(tree, dict):
            tree = tree.get(name)
        elif isinstance(tree, list) and name.isascii() and name.isdigit() and len(name) < 7 and int(name) < len(tree):
            tree = tree[int(name)]
        else:
            return None
    return tree


class _Settler:
    """One pass over a document."""

    def __init__(self, tree: Object, warnings: list[str]) -> None:
        self._tree = tree
        self._writer = Rewriter(self._visit, warnings=warnings)
        self._hoisted: dict[tuple[str, str], str] = {}
        self._waiting: list[tuple[str, str, Any]] = []
        self._anchors: dict[str, Any] = {}
        self._dynamic: set[str] = set()
        self._find_anchors()

    def settle(self) -> Object:
        """The new document."""
        done: Object = self._writer.write(self._tree, "document")
        components: Object = done.setdefault("components", {})
        while self._waiting:
            kind, name, target = self._waiting.pop()
            written = self._writer.write(target, kind, place=f"/components/{SECTIONS[kind]}/{name}")
            if written is not None:
                components.setdefault(SECTIONS[kind], {})[name] = written
        for kind, section in SECTIONS.items():
            open_circles(components.get(section, {}), kind)
        cut_circles(components.get("schemas", {}))
        return mended(self._without_loose_ends(done), self._writer.warnings)

    def _find_anchors(self) -> None:
        """Schemas by `#anchor` and by `$id`."""

        def visit(kind: str, node: Object) -> Object:
            if kind == "schema" and not ANCHORS.isdisjoint(node):
                for name, form in (("$anchor", "#{}"), ("$dynamicAnchor", "#{}"), ("$id", "{}")):
                    if isinstance(node.get(name), str):
                        self._anchors.setdefault(form.format(node[name]), node)
                if isinstance(node.get("$dynamicAnchor"), str):
                    self._dynamic.add(f"#{node['$dynamicAnchor']}")
            return node

        Rewriter(visit).write(self._tree, "document")

    def _visit(self, kind: str, node: Object) -> Object | None:
        if kind == "schema":
            return self._schema(node)
        if kind == "path" and "$ref" in node:
            return _inlined(node, self._tree, self._writer.warnings)
        if "$ref" not in node or kind not in SECTIONS:
            return node
        reference = self._reference(kind, node["$ref"]) if isinstance(node["$ref"], str) else None
        if reference is None:
            return {"description": "(told elsewhere)"} if kind == "response" else None
        return {**node, "$ref": reference}

    def _schema(self, node: Object) -> Object:
        if not MOVED.intersection(node):
            return node
        new = {name: part for name, part in node.items() if name not in MOVED}
        dynamic = node.get("$dynamicRef")
        if isinstance(dynamic, str) and dynamic in self._dynamic:
            new["$dynamicRef"] = dynamic
        told = node.get("$ref", None if "$dynamicRef" in new else dynamic)
        if isinstance(told, str):
            reference = self._reference("schema", told)
            if reference is not None:
                new = {"$ref": reference, **new}
        return new

    def _reference(self, kind: str, reference: str) -> str | None:
        section = SECTIONS[kind]
        target = pointed(self._tree, reference)
        if target is None:
            target = self._anchors.get(reference) if kind == "schema" else None
        if not isinstance(target, dict) and not (kind == "schema" and isinstance(target, bool)):
            self._writer.warn(reference, "leads nowhere in this document; references to others are not followed")
            return None
        parts = reference.removeprefix(PREFIX).split("/")
        if reference.startswith(PREFIX) and len(parts) == 2 and parts[0] == section:
            return f"{PREFIX}{section}/{escaped(unescaped(unquote(parts[1])))}"
        return self._hoist(kind, reference, target)

    def _hoist(self, kind: str, reference: str, target: Any) -> str | None:
        name = self._hoisted.get((kind, reference))
        if name is None:
            if len(self._hoisted) >= MAX_HOISTED:
                self._writer.warn(reference, "too many references into other parts")
                return None
            last = "".join(c if c.isalnum() and c.isascii() else "_" for c in reference.rsplit("/", 1)[-1])[:40]
            name = f"{last or 'part'}-{hashlib.sha256(reference.encode()).hexdigest()[:8]}"
            self._hoisted[(kind, reference)] = name
            self._waiting.append((kind, name, target))
        return f"{PREFIX}{SECTIONS[kind]}/{name}"

    def _without_loose_ends(self, done: Object) -> Object:
        """References to components that were left out are left out too."""
        components = done["components"]

        def visit(kind: str, node: Object) -> Object | None:
            reference = node.get("$ref")
            if reference is None or pointed(components, "#/" + reference[len(PREFIX) :]) is not None:
                return node
            if kind == "schema":
                return {name: part for name, part in node.items() if name != "$ref"}
            return {"description": "(told elsewhere)"} if kind == "response" else None

        written: Object = Rewriter(visit, warnings=self._writer.warnings).write(done, "document")
        written.setdefault("paths", {})
        return written
