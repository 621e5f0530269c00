"""Which value stands at a method and path: an immutable, compiled table.

Generic, so that whoever routes and whoever lists does it by the same rules. A path without variables is found by
one look-up; then templates are tried segment by segment, a literal before a variable before `{rest:path}`. The first
place on that way that has the method wins: HEAD is served by GET unless it has a route of its own, `*` serves every
method that has none. Two templates that differ only in the names of their variables are the same path (OpenAPI's
rule), and of two entries for one place the first stays.
A look-up visits every node of the tree at most once, whatever the path is: nothing here backtracks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
ANY = "*"
_NONE: tuple[str, ...] = ()


class _Node(Generic[T]):
    """One segment of the tree; `values` and `rest` are by method."""

    __slots__ = ("literals", "rest", "values", "variable")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[T]] = {}
        self.variable: _Node[T] | None = None
        self.rest: dict[str, T] = {}
        self.values: dict[str, T] = {}


class RouteTable(Generic[T]):
    """Values by (method, path template). Built once, then only read."""

    __slots__ = ("_exact", "_is_plain", "_root")

    def __init__(self, entries: Iterable[tuple[str, str, T]] = ()) -> None:
        self._exact: dict[str, dict[str, tuple[T, tuple[str, ...]]]] = {}
        self._root: _Node[T] = _Node()
        self._is_plain = True
        for method, template, value in entries:
            if "{" in template:
                self._is_plain = False
                self._grown(template).setdefault(method, value)
            else:
                self._exact.setdefault(template, {}).setdefault(method, (value, _NONE))

    def find(self, method: str, path: str) -> tuple[T, tuple[str, ...]] | None:
        """The value and the texts of the path's variables, None when no route has this path and method."""
        methods = self._exact.get(path)
        if methods is not None:
            found = methods.get(method) or _instead(methods, method)
            if found is not None:
                return found
        if self._is_plain:
            return None
        for values, texts in self._matches(path):
            value = values.get(method)
            if value is None:
                value = _instead(values, method)
            if value is not None:
                return value, texts
        return None

    def methods(self, path: str) -> frozenset[str]:
        """Every method that some route answers at this path, HEAD wherever GET is; empty when no route has it."""
        names = set(self._exact.get(path, ()))
        for values, _ in self._matches(path):
            names.update(values)
        return frozenset(names | {"HEAD"} if "GET" in names else names)

    def at(self, method: str, template: str) -> T | None:
        """The value at this very template (whatever its variables are called) and method."""
        if "{" not in template:
            found = self._exact.get(template, {}).get(method)
            return None if found is None else found[0]
        node: _Node[T] | None = self._root
        for segment in template.split("/")[1:]:
            if node is None:
                return None
            if is_rest(segment):
                return node.rest.get(method)
            node = node.variable if segment[:1] == "{" else node.literals.get(segment)
        return None if node is None else node.values.get(method)

    def _grown(self, template: str) -> dict[str, T]:
        node = self._root
        for segment in template.split("/")[1:]:
            if is_rest(segment):
                return node.rest
            if segment[:1] == "{":
                if node.variable is None:
                    node.variable = _Node()
                node = node.variable
            else:
                node = node.literals.setdefault(segment, _Node())
        return node.values

    def _matches(self, path: str) -> Iterator[tuple[dict[str, T], tuple[str, ...]]]:
        """Every place that the path fits, the most specific first."""
        segments = path.split("/")[1:]
        count = len(segments)
        stack: list[tuple[_Node[T] | None, dict[str, T], int, tuple[str, ...]]] = [(self._root, {}, 0, _NONE)]
        while stack:
            node, values, depth, texts = stack.pop()
            if node is None:
                yield values, texts
            elif depth == count:
                if node.values:
                    yield node.values, texts
            else:
                segment = segments[depth]
                if node.rest:
                    stack.append((None, node.rest, count, (*texts, "/".join(segments[depth:]))))
                if node.variable is not None and segment:
                    stack.append((node.variable, values, depth + 1, (*texts, segment)))
                literal = node.literals.get(segment)
                if literal is not None:
                    stack.append((literal, values, depth + 1, texts))


def is_rest(segment: str) -> bool:
    """Whether a segment of a template is `{name:path}`: all that is left, slashes too, perhaps nothing."""
    return segment[:1] == "{" and segment.endswith(":path}")


def _instead(values: dict[str, T], method: str) -> T | None:
    """What answers a method that has no route of its own here."""
    value = values.get("GET") if method == "HEAD" else None
    return values.get(ANY) if value is None else value
