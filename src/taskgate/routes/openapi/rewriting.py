"""Walks a document by its grammar and builds a new one; what does not fit the grammar is left out and told.

A rewriter never changes what it was given. Its work is bounded: each node that it writes is counted, and past the
bound the document is refused (a reference that multiplies its target is the way to grow one).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from taskgate.errors import InvalidInput
from taskgate.routes.openapi.grammar import KINDS, TYPES, Field

MAX_NODES = 300_000
MAX_WARNINGS = 100
Object = dict[str, Any]
# what stands in the place of an object of that kind, None to leave it out; called before its fields are read
Visit = Callable[[str, Object], Object | None]


def refused(detail: str, path: str = "") -> InvalidInput:
    """The one error of this room: the document as a whole is of no use."""
    return InvalidInput(detail, code="DOCUMENT_INVALID", extra={"path": path} if path else {})


class Rewriter:
    """Builds new objects from old ones; `warnings` tell what was left out, by place."""

    def __init__(self, visit: Visit, *, warnings: list[str] | None = None) -> None:
        self._visit = visit
        self._written = 0
        self.warnings = [] if warnings is None else warnings

    def write(self, node: Any, kind: str, *, place: str = "") -> Any:
        """The new object; None when there is nothing to put there."""
        if kind == "schema" and isinstance(node, bool):
            return node
        if not isinstance(node, dict):
            self.warn(place, f"expected an object ({kind})")
            return None
        self._written += 1
        if self._written > MAX_NODES:
            raise refused("the document's references multiply it beyond what is served")
        seen = self._visit(kind, node)
        if seen is None:
            return None
        if "$ref" in seen and kind not in ("schema", "path"):
            return {name: seen[name] for name in ("$ref", "summary", "description") if isinstance(seen.get(name), str)}
        if kind == "callback":
            return self._fields(seen, dict.fromkeys(seen, Field("one", "path")), place)
        return self._fields(seen, KINDS[kind], place, open_ended=kind == "schema")

    def warn(self, place: str, what: str) -> None:
        """Note what was left out; only so many are kept."""
        if len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(f"{place[:300] or '/'}: {what}")

    def _fields(self, node: Object, fields: dict[str, Field], place: str, *, open_ended: bool = False) -> Object:
        written: Object = {}
        for name, value in node.items():
            field = fields.get(name)
            if name.startswith("x-") or (field is None and open_ended and name != "type"):
                written[name] = value
            elif name == "type" and open_ended:
                self._type(value, written, place)
            elif field is None:
                self.warn(f"{place}/{escaped(name)}", "not known at this place")
            else:
                found = self._value(value, field, f"{place}/{escaped(name)}")
                if found is not None or (value is None and field.holds == "anything"):
                    written[name] = found
        return written

    def _value(self, value: Any, field: Field, place: str) -> Any:
        if field.holds == "one":
            return self.write(value, field.kind, place=place)
        if field.holds == "list" and isinstance(value, list):
            parts = [self.write(part, field.kind, place=f"{place}/{number}") for number, part in enumerate(value)]
            return [part for part in parts if part is not None]
        if field.holds == "map" and isinstance(value, dict):
            named = {
                name: self.write(part, field.kind, place=f"{place}/{escaped(name)}")
                for name, part in value.items()
                if field.kind == "schema" or not name.startswith("x-")
            }
            return {name: part for name, part in named.items() if part is not None}
        if _holds(value, field):
            return list(dict.fromkeys(value)) if field.holds == "texts" else value
        self.warn(place, f"expected {field.holds}")
        return None

    def _type(self, value: Any, written: Object, place: str) -> None:
        names = value if isinstance(value, list) else [value]
        known = list(dict.fromkeys(name for name in names if isinstance(name, str) and name in TYPES))
        if len(known) < len(names):
            self.warn(f"{place}/type", "no type of JSON Schema")
        if known:
            written["type"] = known if isinstance(value, list) else known[0]


def _holds(value: Any, field: Field) -> bool:
    match field.holds:
        case "text":
            return isinstance(value, str)
        case "flag":
            return isinstance(value, bool)
        case "texts":
            return isinstance(value, list) and all(isinstance(part, str) for part in value)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "count":
            return isinstance(value, int) and not isinstance(value, bool) and value >= 0
        case "list of values":
            return isinstance(value, list)
        case _:
            return field.holds == "anything"


def escaped(name: str) -> str:
    """The name as a part of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def unescaped(part: str) -> str:
    """The name that a part of a JSON pointer stands for."""
    return part.replace("~1", "/").replace("~0", "~")
