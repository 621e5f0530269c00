"""What changed between two documents of a service, and which of it breaks its callers.

Breaking is what makes a call that was right wrong, or an answer other than was promised: something removed, something
more demanded, something wider given. Everything else is told as a note.
"""

from __future__ import annotations

from typing import Any

import msgspec

from taskgate.routes.openapi.comparing import Direction, SchemaComparison
from taskgate.routes.openapi.grammar import METHODS
from taskgate.routes.openapi.naming import same_path, variables_of
from taskgate.routes.openapi.reading import ApiDocument
from taskgate.routes.openapi.rewriting import Object, unescaped

MAX_CHANGES = 500


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One difference. `place` begins with method and path."""

    place: str
    what: str
    breaking: bool = True

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


def breaking_changes(old: ApiDocument, new: ApiDocument) -> list[str]:
    """A sentence for each change that breaks callers of the old document."""
    return [str(change) for change in changes(old, new) if change.breaking]


def changes(old: ApiDocument, new: ApiDocument) -> list[Change]:
    """Every difference that callers may care for, in the order of the old document; bounded."""
    return _Diff(old.tree, new.tree).run()


class _Diff:
    def __init__(self, old: Object, new: Object) -> None:
        self._old = old
        self._new = new
        self._parts = old.get("components", {}), new.get("components", {})
        self._found: dict[Change, None] = {}
        self._schemas = SchemaComparison(*self._parts, self._tell)

    def run(self) -> list[Change]:
        """Compare operation by operation."""
        before, after = _operations(self._old), _operations(self._new)
        for key, (path, was) in before.items():
            label = f"{key[0].upper()} {path}"
            if key not in after:
                self._tell(label, "is gone")
                continue
            new_path, now = after[key]
            names = dict(zip(variables_of(new_path), variables_of(path), strict=True))
            self._operation(label, was, now, names=names)
        for key, (path, _) in after.items():
            if key not in before:
                self._tell(f"{key[0].upper()} {path}", "is new", breaking=False)
        return list(self._found)

    def _tell(self, place: str, what: str, *, breaking: bool = True) -> None:
        if len(self._found) < MAX_CHANGES:
            self._found[Change(place=place, what=what, breaking=breaking)] = None

    def _operation(self, label: str, was: Object, now: Object, *, names: dict[str, str]) -> None:
        if was.get("operationId") and was["operationId"] != now.get("operationId"):
            self._tell(label, f"operationId is {now.get('operationId', 'none')}, was {was['operationId']}")
        if now.get("deprecated") and not was.get("deprecated"):
            self._tell(label, "is deprecated", breaking=False)
        self._parameters(label, self._named(was, {}, 0), self._named(now, names, 1))
        self._body(label, self._seen(was.get("requestBody"), 0), self._seen(now.get("requestBody"), 1))
        self._responses(label, was.get("responses", {}), now.get("responses", {}))
        ways = self._ways_in(now, 1)
        lost = [one for one in self._ways_in(was, 0) if one not in ways]
        if lost and set() not in ways:
            self._tell(label, f"no longer opens with {_spoken(lost[0])}")

    def _parameters(
        self, label: str, before: dict[tuple[str, str], Object], after: dict[tuple[str, str], Object]
    ) -> None:
        for (place, name), now in after.items():
            was = before.get((place, name))
            told = f"{label} {place} parameter {name}"
            if was is None:
                self._tell(
                    told,
                    "is new" + (" and required" if now.get("required") else ""),
                    breaking=bool(now.get("required")),
                )
                continue
            if now.get("required") and not was.get("required"):
                self._tell(told, "is required")
            self._schemas.compare(_schema_in(was), _schema_in(now), direction="request", place=told)
        for place, name in (key for key in before if key not in after):
            self._tell(f"{label} {place} parameter {name}", "is gone", breaking=False)

    def _body(self, label: str, was: Object, now: Object) -> None:
        told = f"{label} body"
        if now.get("required") and not was.get("required"):
            self._tell(told, "is required")
        if was and not now:
            self._tell(told, "is no longer read", breaking=False)
        elif was:
            self._content(told, was, now, "request")

    def _responses(self, label: str, before: Object, after: Object) -> None:
        for status, answer in before.items():
            told = f"{label} answer {status}"
            if status not in after:
                self._tell(told, "is gone")
                continue
            self._content(told, self._seen(answer, 0), self._seen(after[status], 1), "response")
        for status in (status for status in after if status not in before):
            self._tell(f"{label} answer {status}", "is new", breaking=False)

    def _content(self, told: str, was: Object, now: Object, direction: Direction) -> None:
        before, after = was.get("content", {}), now.get("content", {})
        for media, told_before in before.items():
            if media not in after:
                self._tell(told, f"{media} is gone")
                continue
            schemas = told_before.get("schema", {}), after[media].get("schema", {})
            self._schemas.compare(*schemas, direction=direction, place=told if len(before) == 1 else f"{told} {media}")

    def _named(self, operation: Object, names: dict[str, str], side: int) -> dict[tuple[str, str], Object]:
        found: dict[tuple[str, str], Object] = {}
        for parameter in operation.get("parameters", ()):
            seen = self._seen(parameter, side)
            place, name = str(seen.get("in", "")), str(seen.get("name", ""))
            found[place, names.get(name, name) if place == "path" else name] = seen
        return found

    def _seen(self, node: Object | None, side: int) -> Object:
        """What a reference leads to; neither document has circles of bare references."""
        node = node or {}
        while "$ref" in node:
            _, _, section, name = node["$ref"].split("/", 3)
            node = self._parts[side].get(section, {}).get(unescaped(name), {})
        return node

    def _ways_in(self, operation: Object, side: int) -> list[Any]:
        """Each way to be let in as a set of schemes, by what they are and not by what they are called."""
        schemes = self._parts[side].get("securitySchemes", {})
        ways = []
        for requirement in operation.get("security") or [{}]:
            told = (self._seen(schemes.get(name), side) for name in requirement)
            ways.append({(one.get("type"), one.get("in"), one.get("name"), one.get("scheme")) for one in told})
        return ways


def _operations(tree: Object) -> dict[tuple[str, str], tuple[str, Object]]:
    return {
        (method, same_path(path)): (path, operation)
        for path, item in tree["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def _schema_in(parameter: Object) -> Any:
    for media in parameter.get("content", {}).values():
        return media.get("schema", {})
    return parameter.get("schema", {})


def _spoken(way: set[tuple[Any, ...]]) -> str:
    return " and ".join(sorted(" ".join(str(part) for part in scheme if part) or "?" for scheme in way)) or "nothing"
