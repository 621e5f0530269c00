"""Which value stands at a method and path: an immutable, compiled table.

Generic, so that whoever routes and whoever lists does it by the same rules. A path without variables is found by
one look-up; then templates are tried segment by segment, a literal before a variable before `{rest:path}`. The first
place on that way that has the method wins: HEAD is served by GET unless it has a route of its own, `*` serves every
method that has none. Two templates that differ only in the names of their variables are the same path (OpenAPI's
rule), and of two entries for one place the first stays.
A look-up visits every node of the tree at most once, whatever the path is: nothing here backtracks.
A changed table is a new one that shares with the old all that stayed: it costs what changed.
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

    @property
    def is_empty(self) -> bool:
        return not (self.literals or self.variable or self.rest or self.values)

    def copied(self) -> _Node[T]:
        """A node of its own, over the same nodes below."""
        node: _Node[T] = _Node()
        node.literals, node.variable = dict(self.literals), self.variable
        node.rest, node.values = dict(self.rest), dict(self.values)
        return node


class RouteTable(Generic[T]):
    """Values by (method, path template), `len` of them. Built once, then only read."""

    __slots__ = ("_count", "_exact", "_is_plain", "_root")

    def __init__(self, entries: Iterable[tuple[str, str, T]] = ()) -> None:
        self._exact: dict[str, dict[str, tuple[T, tuple[str, ...]]]] = {}
        self._root: _Node[T] = _Node()
        self._count = 0
        edit = _Edit(self._exact, self._root)
        for method, template, value in entries:
            self._count += edit.put(method, template, value=value)
        self._is_plain = self._root.is_empty

    def __len__(self) -> int:
        return self._count

    def changed(self, gone: Iterable[tuple[str, str]], come: Iterable[tuple[str, str, T]] = ()) -> RouteTable[T]:
        """A new table without what is at these places, then with these entries; this one stays as it is."""
        fresh: RouteTable[T] = RouteTable()
        fresh._exact, fresh._root = dict(self._exact), self._root.copied()
        edit = _Edit(fresh._exact, fresh._root, is_shared=True)
        lost_count = sum([edit.drop(method, template) for method, template in gone])
        come_count = sum([edit.put(method, template, value=value) for method, template, value in come])
        fresh._count = self._count - lost_count + come_count
        fresh._is_plain = fresh._root.is_empty
        return fresh

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


class _Edit(Generic[T]):
    """Changes of a table that nobody reads yet. What it shares with another is copied before it is changed, once."""

    def __init__(
        self, exact: dict[str, dict[str, tuple[T, tuple[str, ...]]]], root: _Node[T], *, is_shared: bool = False
    ) -> None:
        self._exact = exact
        self._root = root
        self._is_shared = is_shared
        self._own_paths: set[str] = set()
        self._own_nodes = {root}

    def put(self, method: str, template: str, *, value: T) -> bool:
        """Whether the place was free: the first that came to it stays."""
        if "{" in template:
            *way, last = template.split("/")[1:]
            node = self._root
            for segment in way:
                node = self._below(node, segment)
            values = node.rest if is_rest(last) else self._below(node, last).values
            is_free = method not in values
            values.setdefault(method, value)
            return is_free
        methods = self._methods(template)
        is_free = method not in methods
        methods.setdefault(method, (value, _NONE))
        return is_free

    def drop(self, method: str, template: str) -> bool:
        """Whether something stood there. Nodes that hold nothing more go too."""
        if "{" not in template:
            methods = self._methods(template)
            found = methods.pop(method, None) is not None
            if not methods:
                del self._exact[template]
            return found
        way = [self._root]
        segments = template.split("/")[1:]
        last = segments.pop() if is_rest(segments[-1]) else ""
        for segment in segments:
            way.append(self._below(way[-1], segment))
        values = way[-1].rest if last else way[-1].values
        found = values.pop(method, None) is not None
        for segment in reversed(segments):
            if not way.pop().is_empty:
                break
            if segment[:1] == "{":
                way[-1].variable = None
            else:
                del way[-1].literals[segment]
        return found

    def _methods(self, template: str) -> dict[str, tuple[T, tuple[str, ...]]]:
        methods = self._exact.get(template)
        if methods is None:
            methods = self._exact[template] = {}
        elif self._is_shared and template not in self._own_paths:
            methods = self._exact[template] = dict(methods)
        self._own_paths.add(template)
        return methods

    def _below(self, node: _Node[T], segment: str) -> _Node[T]:
        is_variable = segment[:1] == "{"
        below = node.variable if is_variable else node.literals.get(segment)
        if below is not None and (below in self._own_nodes or not self._is_shared):
            return below
        below = _Node() if below is None else below.copied()
        self._own_nodes.add(below)
        if is_variable:
            node.variable = below
        else:
            node.literals[segment] = below
        return below


def is_rest(segment: str) -> bool:
    """Whether a segment of a template is `{name:path}`: all that is left, slashes too, perhaps nothing."""
    return segment[:1] == "{" and segment.endswith(":path}")


def _instead(values: dict[str, T], method: str) -> T | None:
    """What answers a method that has no route of its own here."""
    value = values.get("GET") if method == "HEAD" else None
    return values.get(ANY) if value is None else value
