"""An example made from a schema: small, the same every time, and valid where the schema is simple enough.

What the schema's author gave wins: an example, a default, a constant, the first choice. Schemas that contain
themselves are cut where they do. The work is bounded by a purse of values that one document shares.
"""

from __future__ import annotations

import math
from typing import Any, Final

from taskgate.routes.openapi.patterns import text_for
from taskgate.routes.openapi.rewriting import Object

MAX_DEPTH = 12
MAX_PROPERTIES = 40
MAX_ITEMS = 3
MAX_LENGTH = 200
PURSE = 20_000
FORMATS = {
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "time": "12:00:00Z",
    "duration": "PT30S",
    "email": "ada@example.com",
    "idn-email": "ada@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uri-reference": "/path",
    "uuid": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "byte": "dGV4dA==",
    "password": "secret",
    "json-pointer": "/name",
    "regex": ".*",
}
HINTS = (
    ("object", ("properties", "additionalProperties", "required")),
    ("array", ("items", "prefixItems", "minItems")),
    ("string", ("pattern", "minLength", "maxLength", "format")),
    ("number", ("minimum", "maximum", "multipleOf")),
)


class _Nothing:
    """There is nothing to show."""


NOTHING: Final = _Nothing()


class ExampleMaker:
    """Makes examples for one document, until its purse is empty. `side` is what the reader may not send or get."""

    def __init__(self, schemas: Object, *, purse: int = PURSE) -> None:
        self._schemas = schemas
        self._purse = purse

    def example(self, schema: Any, *, hidden: str = "") -> Any:
        """A value for the schema; NOTHING when there is none to show. `hidden` is `readOnly`, `writeOnly` or ""."""
        return self._made(schema, hidden, ())

    def _made(self, schema: Any, hidden: str, above: tuple[str, ...]) -> Any:
        self._purse -= 1
        if self._purse < 0 or len(above) > MAX_DEPTH or not isinstance(schema, dict) or schema.get(hidden) is True:
            return NOTHING
        flat, above = self._flat(schema, above)
        if flat is None:
            return NOTHING
        for name in ("const", "example", "default"):
            if name in flat:
                return flat[name]
        for name in ("examples", "enum"):
            if isinstance(flat.get(name), list) and flat[name]:
                return flat[name][0]
        match _type_of(flat):
            case "object":
                return self._object(flat, hidden, above)
            case "array":
                return self._array(flat, hidden, above)
            case kind:
                return _simple(flat, kind)

    def _flat(self, schema: Object, above: tuple[str, ...]) -> tuple[Object | None, tuple[str, ...]]:
        """The schema with its references, its `allOf` and the first of its choices drawn together."""
        flat: Object = {}
        waiting: list[Any] = [schema]
        while waiting:
            part = waiting.pop(0)
            self._purse -= 1
            if not isinstance(part, dict):
                continue
            if self._purse < 0:
                return None, above
            reference = part.get("$ref")
            if isinstance(reference, str):
                if reference in above:
                    return None, above
                above = (*above, reference)
                waiting.append(self._schemas.get(reference.rsplit("/", 1)[-1]))
            waiting.extend(part.get("allOf", ()))
            choices = [choice for name in ("oneOf", "anyOf") for choice in part.get(name, ())]
            waiting.extend(([choice for choice in choices if not _is_null(choice)] or choices)[:1])
            _draw_in(flat, part)
        return flat, above

    def _object(self, flat: Object, hidden: str, above: tuple[str, ...]) -> Any:
        made = {}
        required = flat.get("required", ())
        above = (*above, "")
        for name, schema in list(flat.get("properties", {}).items())[:MAX_PROPERTIES]:
            value = self._made(schema, hidden, above)
            if not isinstance(value, _Nothing):
                made[name] = value
            elif name in required and not (isinstance(schema, dict) and schema.get(hidden) is True):
                made[name] = None
        others = flat.get("additionalProperties")
        if not made and isinstance(others, dict):
            value = self._made(others, hidden, above)
            made = {} if isinstance(value, _Nothing) else {"name": value}
        return made

    def _array(self, flat: Object, hidden: str, above: tuple[str, ...]) -> list[Any]:
        above = (*above, "")
        made = [self._made(schema, hidden, above) for schema in flat.get("prefixItems", ())[:MAX_ITEMS]]
        if not made and flat.get("maxItems") != 0:
            made = [self._made(flat.get("items"), hidden, above)]
            least = flat.get("minItems", 1)
            if not flat.get("uniqueItems"):
                made *= max(1, min(least, MAX_ITEMS))
        return [value for value in made if not isinstance(value, _Nothing)]


def _simple(flat: Object, kind: str) -> Any:
    match kind:
        case "string":
            return _text(flat)
        case "integer" | "number":
            return _number(flat, whole=kind == "integer")
        case "boolean":
            return True
        case "null":
            return None
    return NOTHING


def _draw_in(flat: Object, part: Object) -> None:
    for name, value in part.items():
        if name == "properties" and isinstance(value, dict):
            flat["properties"] = {**value, **flat.get("properties", {})}
        elif name == "required" and isinstance(value, list):
            flat["required"] = [*flat.get("required", ()), *value]
        elif name not in ("allOf", "oneOf", "anyOf", "$ref"):
            flat.setdefault(name, value)


def _is_null(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "null"


def _type_of(flat: Object) -> str:
    kind = flat.get("type")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), "null")
    if isinstance(kind, str):
        return kind
    return next((name for name, keywords in HINTS if any(keyword in flat for keyword in keywords)), "")


def _text(flat: Object) -> str:
    given = flat.get("format")
    known = FORMATS.get(given) if isinstance(given, str) else None
    least, most = flat.get("minLength", 0), min(flat.get("maxLength", MAX_LENGTH), MAX_LENGTH)
    if known is not None and least <= len(known) <= most:
        return known
    pattern = flat.get("pattern")
    text = text_for(pattern) if isinstance(pattern, str) else None
    text = "string" if text is None else text
    if len(text) < min(least, MAX_LENGTH):
        text = text.ljust(min(least, MAX_LENGTH), text[-1:] or "a")
    return text[:most]


def _number(flat: Object, *, whole: bool) -> int | float:
    low, high = flat.get("minimum", -math.inf), flat.get("maximum", math.inf)
    step = flat.get("multipleOf", 1 if whole else 0)
    above, below = flat.get("exclusiveMinimum", -math.inf), flat.get("exclusiveMaximum", math.inf)
    for value in _candidates(low, high, above, below, step):
        if low <= value <= high and above < value < below and (not whole or value == int(value)):
            return int(value) if whole or value == int(value) else value
    return 0


def _candidates(low: float, high: float, above: float, below: float, step: float) -> list[float]:
    """Numbers to try, nicest first; all of them multiples of `step` where there is one."""
    edges = [edge for edge in (low, above, high, below) if math.isfinite(edge) and abs(edge) < 1e15]
    near = [1.0, 0.0, *edges]
    near += [edge + nudge for edge in edges for nudge in (1, -1, 0.5, -0.5)]
    if len(edges) > 1:
        near.append((min(edges) + max(edges)) / 2)
    if not step:
        return near
    found = []
    for value in near:
        if abs(value / step) < 1e15:
            found += [math.floor(value / step) * step, math.ceil(value / step) * step]
    return [value for value in [1.0, *found] if math.isclose(value / step, round(value / step))]
