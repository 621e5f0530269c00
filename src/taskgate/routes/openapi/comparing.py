"""Whether a schema's new form breaks those who rely on the old one, by direction.

In a request the new schema must accept what the old one accepted; in an answer it must give nothing that the old one
did not promise. What cannot be judged without running regular expressions or solving logic is taken for a change when
its words differ. The work is bounded: each pair is compared once, and only so many.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from taskgate.routes.openapi.grammar import TYPES
from taskgate.routes.openapi.rewriting import Object, unescaped

Direction = Literal["request", "response"]
MAX_PAIRS = 20_000
MAX_DEPTH = 60
LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
WORDS = ("pattern", "format", "multipleOf", "contentEncoding", "contentMediaType")
CHOICES = ("oneOf", "anyOf")
NOTES = frozenset({"title", "description", "examples", "default", "deprecated"})
Tell = Callable[[str, str], None]


class SchemaComparison:
    """Compares schemas of two documents; `tell(place, what)` is called for each break."""

    def __init__(self, old: Object, new: Object, tell: Tell) -> None:
        self._old = old
        self._new = new
        self._tell = tell
        self._pairs: set[tuple[int, int, Direction]] = set()
        self._held: list[Object] = []

    def compare(self, old: Any, new: Any, *, direction: Direction, place: str, depth: int = 0) -> None:
        """Tell every break between the two schemas."""
        key = (id(old), id(new), direction)
        if key in self._pairs or len(self._pairs) > MAX_PAIRS or depth > MAX_DEPTH:
            return
        self._pairs.add(key)
        was, now = flat(old, self._old), flat(new, self._new)
        self._held += [was, now]  # kept alive, so that an id stays that of one object
        self._types(was, now, direction, place)
        self._values(was, now, direction, place)
        if direction == "request":
            self._limits(was, now, place)
        if any(name in side for name in CHOICES for side in (was, now)):
            self._choices(was, now, direction, place=place, depth=depth)
        self._properties(was, now, direction, place=place, depth=depth)
        for name, step in (("items", "[]"), ("additionalProperties", "{}")):
            if isinstance(was.get(name), dict) and isinstance(now.get(name), dict):
                self.compare(was[name], now[name], direction=direction, place=f"{place}{step}", depth=depth + 1)

    def _types(self, was: Object, now: Object, direction: Direction, place: str) -> None:
        if any(name in side for name in CHOICES for side in (was, now)):
            return
        before, after = _types(was), _types(now)
        lost = before - after if direction == "request" else after - before
        if lost:
            word = "no longer takes" if direction == "request" else "may be"
            self._tell(place, f"{word} {', '.join(sorted(lost))}")

    def _values(self, was: Object, now: Object, direction: Direction, place: str) -> None:
        before, after = _values(was), _values(now)
        if direction == "response":
            before, after = after, before
        if after is not None and before is None:
            word = "takes certain values only" if direction == "request" else "may be other than the listed values"
            self._tell(place, word)
        elif after is not None and before is not None and before - after:
            word = "no longer takes" if direction == "request" else "may be"
            self._tell(place, f"{word} {', '.join(sorted(before - after))[:200]}")

    def _limits(self, was: Object, now: Object, place: str) -> None:
        for name in (*LOWER, *UPPER):
            before, after = was.get(name), now.get(name)
            if after is None or after == _free(name):
                continue
            if before is None or (after > before if name in LOWER else after < before):
                self._tell(place, f"{name} is {after}" + ("" if before is None else f", was {before}"))
        for name in WORDS:
            if name in now and now[name] != was.get(name):
                self._tell(place, f"{name} is {str(now[name])[:80]}")
        if now.get("uniqueItems") is True and was.get("uniqueItems") is not True:
            self._tell(place, "items are to be unique")

    def _properties(self, was: Object, now: Object, direction: Direction, *, place: str, depth: int) -> None:
        before, after = was.get("properties", {}), now.get("properties", {})
        needed = set(was.get("required", ())), set(now.get("required", ()))
        if direction == "request":
            for name in sorted(needed[1] - needed[0]):
                self._tell(f"{place}.{name}", "is required")
            if now.get("additionalProperties") is False:
                gone = before.keys() - after.keys() if was.get("additionalProperties") is False else set()
                for name in sorted(gone):
                    self._tell(f"{place}.{name}", "is no longer taken")
                if was.get("additionalProperties") is not False:
                    self._tell(place, "takes no other properties")
        else:
            for name in sorted(before.keys() - after.keys()):
                self._tell(f"{place}.{name}", "is gone")
            for name in sorted((needed[0] - needed[1]) & after.keys()):
                self._tell(f"{place}.{name}", "is no longer always there")
        for name in (name for name in before if name in after):
            self.compare(before[name], after[name], direction=direction, place=f"{place}.{name}", depth=depth + 1)

    def _choices(self, was: Object, now: Object, direction: Direction, *, place: str, depth: int) -> None:
        before, after = _alternatives(was), _alternatives(now)
        known = {_label(one): one for one in after}
        lost = [one for one in before if _label(one) not in known]
        added = [one for one in after if _label(one) not in {_label(other) for other in before}]
        for one in before:
            if _label(one) in known:
                self.compare(one, known[_label(one)], direction=direction, place=place, depth=depth + 1)
        if len(lost) == len(added) == 1:
            self.compare(lost[0], added[0], direction=direction, place=place, depth=depth + 1)
            return
        for one in lost if direction == "request" else added:
            self._tell(place, f"{'no longer takes' if direction == 'request' else 'may be'} {_label(one)[:80]}")


def flat(schema: Any, components: Object) -> Object:
    """A schema with its reference and its `allOf` drawn together."""
    found: Object = {}
    waiting: list[Any] = [schema]
    seen: set[str] = set()
    while waiting and len(seen) < MAX_DEPTH:
        part = waiting.pop(0)
        if part is False:
            found["not"] = {}
        if not isinstance(part, dict):
            continue
        reference = part.get("$ref")
        if isinstance(reference, str) and reference not in seen:
            seen.add(reference)
            waiting.append(components.get("schemas", {}).get(unescaped(reference.rsplit("/", 1)[-1])))
        waiting.extend(part.get("allOf", ()))
        for name, value in part.items():
            if name == "properties":
                found["properties"] = {**value, **found.get("properties", {})}
            elif name == "required":
                found["required"] = [*value, *found.get("required", ())]
            elif name not in ("$ref", "allOf"):
                found.setdefault(name, value)
    return found


def _types(schema: Object) -> set[str]:
    """Its types; a number may be an integer."""
    told = schema.get("type")
    names = {told} if isinstance(told, str) else set(told or TYPES)
    return names | {"integer"} if "number" in names else names


def _values(schema: Object) -> set[str] | None:
    if "const" in schema:
        return {_written(schema["const"])}
    return {_written(value) for value in schema["enum"]} if "enum" in schema else None


def _alternatives(schema: Object) -> list[Any]:
    found = [one for name in CHOICES for one in schema.get(name, ())]
    return found or [schema]


def _label(schema: Any) -> str:
    if isinstance(schema, dict):
        if isinstance(reference := schema.get("$ref"), str):
            return reference.rsplit("/", 1)[-1]
        return _written({name: part for name, part in schema.items() if name not in NOTES})
    return _written(schema)


def _free(name: str) -> int | None:
    """The bound that is none."""
    return 0 if name.startswith("min") and name != "minimum" else None


def _written(value: Any) -> str:
    return msgspec.json.encode(value, order="sorted").decode()
