"""Rewrites a part of a service's document so that it can stand beside others: every name in it becomes the service's.

References, discriminator mappings, links, callbacks, anchors. Security and servers go: the gateway's hold.
"""

from __future__ import annotations

from taskgate.routes.openapi.naming import anchor_name, component_name, operation_name
from taskgate.routes.openapi.rewriting import Object, Rewriter, escaped, unescaped

PREFIX = "#/components/"


class Adapter:
    """Adapts the parts of one service. `links` are the new ids of its operations by their old id, or by
    `method path`; `taken` the ids that are in use; `schemas` the schema components of its document."""

    def __init__(self, service: str, links: dict[str, str], *, taken: set[str], schemas: Object) -> None:
        self._service = service
        self._links = links
        self._taken = taken
        self._schemas = schemas
        self._anchored: dict[str, list[str]] | None = None
        self._is_top = False
        self._sources: dict[tuple[str, str], tuple[str, str]] = {}
        self._needs: dict[tuple[str, str], None] = {}

    def adapted(self, part: Object, kind: str) -> tuple[Object, tuple[tuple[str, str], ...]]:
        """The part, and the components (section, name) that it refers to."""
        self._needs = {}
        self._is_top = kind == "operation"
        written = Rewriter(self._visit).write(part, kind)
        return ({} if written is None else written), tuple(self._needs)

    def source_of(self, need: tuple[str, str]) -> tuple[str, str]:
        """Section and name in the service's document."""
        return self._sources[need]

    def _visit(self, kind: str, node: Object) -> Object | None:
        if isinstance(node.get("$ref"), str):
            node = {**node, "$ref": self._reference(node["$ref"])}
        match kind:
            case "schema":
                return self._schema(node)
            case "link" if "$ref" not in node:
                return self._link(node)
            case "operation":
                return self._operation(node)
            case "path":
                return {name: part for name, part in node.items() if name != "servers"}
            case "media" if "itemSchema" in node:
                rest = {name: part for name, part in node.items() if name != "itemSchema"}
                return {**rest, "schema": rest.get("schema", {"type": "string"}), "x-item": node["itemSchema"]}
        return node

    def _reference(self, reference: str) -> str:
        section, _, escaped_name = reference.removeprefix(PREFIX).partition("/")
        old = unescaped(escaped_name)
        new = component_name(self._service, old)
        self._sources.setdefault((section, new), (section, old))
        self._needs[section, new] = None
        return f"{PREFIX}{section}/{new}"

    def _schema(self, node: Object) -> Object:
        changed: Object = {}
        for name, form in (("$dynamicAnchor", ""), ("$dynamicRef", "#")):
            if isinstance(node.get(name), str):
                changed[name] = form + anchor_name(self._service, node[name].removeprefix(form))
        for name in self._holders(node["$dynamicRef"][1:]) if isinstance(node.get("$dynamicRef"), str) else ():
            self._reference(f"{PREFIX}schemas/{escaped(name)}")
        told = node.get("discriminator")
        if isinstance(told, dict) and "mapping" in told:
            mapping = {value: self._reference(target) for value, target in told["mapping"].items()}
            changed["discriminator"] = {**told, "mapping": mapping}
        return {**node, **changed} if changed else node

    def _holders(self, anchor: str) -> list[str]:
        """The schema components in which a dynamic anchor stands: a reference to it may mean any of them."""
        if self._anchored is None:
            anchored: dict[str, list[str]] = {}
            for component, schema in self._schemas.items():
                for name in _dynamic_anchors(schema):
                    anchored.setdefault(name, []).append(component)
            self._anchored = anchored
        return self._anchored.get(anchor, [])

    def _link(self, node: Object) -> Object | None:
        name = node.get("operationId", "")
        if "operationRef" in node:
            name = _called(node["operationRef"])
        if name not in self._links:
            return None
        rest = {key: part for key, part in node.items() if key not in ("operationRef", "operationId", "server")}
        return {**rest, "operationId": self._links[name]}

    def _operation(self, node: Object) -> Object:
        kept = {name: part for name, part in node.items() if name not in ("security", "servers")}
        if self._is_top:
            self._is_top = False
        elif "operationId" in kept:
            given = kept["operationId"]
            name = operation_name(self._service, given, method="callback", path=given, taken=self._taken)
            self._taken.add(name)
            kept["operationId"] = name
        return kept


def _dynamic_anchors(schema: Object) -> set[str]:
    found: set[str] = set()

    def visit(kind: str, node: Object) -> Object:
        if kind == "schema" and isinstance(node.get("$dynamicAnchor"), str):
            found.add(node["$dynamicAnchor"])
        return node

    Rewriter(visit).write(schema, "schema")
    return found


def _called(reference: str) -> str:
    """`#/paths/~1users~1{id}/get` as `get /users/{id}`; "" for another document's."""
    parts = reference.split("/")
    if len(parts) != 4 or parts[:2] != ["#", "paths"]:
        return ""
    return f"{parts[3]} {unescaped(parts[2])}"
