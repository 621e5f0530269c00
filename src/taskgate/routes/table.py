"""Which value stands at a method and path: an immutable, compiled table.

Generic, so that registration checks conflicts with the same rules by which the data plane routes. A path without
variables is found by one look-up; then templates are tried segment by segment, a literal before a variable before
`{rest:path}`. Two templates that differ only in the names of their variables are the same path (OpenAPI's rule).
HEAD is served by GET unless it has a route of its own; `*` serves every method that has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
ANY = "*"


class _Node(Generic[T]):
    """One segment of the tree."""

    __slots__ = ("literals", "rest", "values", "variable")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[T]] = {}
        self.variable: _Node[T] | None = None
        self.rest: dict[str, T] = {}
        self.values: dict[str, T] = {}


class RouteTable(Generic[T]):
    """Values by (method, path template). Built once, then only read."""

    __slots__ = ("_exact", "_root")

    def __init__(self, entries: Iterable[tuple[str, str, T]] = ()) -> None:
        self._exact: dict[str, dict[str, T]] = {}
        self._root: _Node[T] = _Node()
        for method, template, value in entries:
            if "{" in template:
                self._plant(template)[method] = value
            else:
                self._exact.setdefault(template, {})[method] = value

    def find(self, method: str, path: str) -> tuple[T, tuple[str, ...]] | None:
        """The value and the texts of the path's variables, None when no route has this path and method."""
        methods = self._exact.get(path)
        if methods is not None and (value := _by_method(methods, method)) is not None:
            return value, ()
        for found, texts in self._matches(path):
            if (value := _by_method(found, method)) is not None:
                return value, texts
        return None

    def methods(self, path: str) -> frozenset[str]:
        """Every method that some route answers at this path; empty when no route has it."""
        names = set(self._exact.get(path, ()))
        for found, _ in self._matches(path):
            names.update(found)
        return frozenset(names)

    def at(self, method: str, template: str) -> T | None:
        """The value at this very template (whatever its variables are called) and method."""
        if "{" not in template:
            return self._exact.get(template, {}).get(method)
        return self._plant(template, grow=False).get(method)

    def _plant(self, template: str, *, grow: bool = True) -> dict[str, T]:
        node = self._root
        for segment in template.split("/")[1:]:
            if segment.startswith("{") and segment.endswith(":path}"):
                return node.rest
            if segment.startswith("{"):
                below = node.variable or _Node()
                if grow:
                    node.variable = below
            else:
                below = node.literals.get(segment) or _Node()
                if grow:
                    node.literals[segment] = below
            node = below
        return node.values

    def _matches(self, path: str) -> Iterator[tuple[dict[str, T], tuple[str, ...]]]:
        segments = path.split("/")[1:]
        stack: list[tuple[_Node[T], int, tuple[str, ...]]] = [(self._root, 0, ())]
        while stack:
            node, depth, texts = stack.pop()
            if depth == len(segments):
                if node.values:
                    yield node.values, texts
                continue
            segment = segments[depth]
            if node.rest:
                stack.append((_leaf(node.rest), len(segments), (*texts, "/".join(segments[depth:]))))
            if node.variable is not None and segment:
                stack.append((node.variable, depth + 1, (*texts, segment)))
            literal = node.literals.get(segment)
            if literal is not None:
                stack.append((literal, depth + 1, texts))


def _leaf(values: dict[str, T]) -> _Node[T]:
    node: _Node[T] = _Node()
    node.values = values
    return node


def _by_method(methods: dict[str, T], method: str) -> T | None:
    value = methods.get(method)
    if value is None and method == "HEAD":
        value = methods.get("GET")
    return methods.get(ANY) if value is None else value
