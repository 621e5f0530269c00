"""References that lead in a circle without ever going down into a value: no reader of schemas comes to their end.

A schema may contain itself below a property or an item. It may not be itself, or one of its own alternatives.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from taskgate.routes.openapi.rewriting import Object, unescaped

MAX_CHAIN = 50
LISTS = ("allOf", "anyOf", "oneOf")
SINGLES = ("not", "if", "then", "else")


def open_circles(components: Object, kind: str) -> None:
    """Empty what consists of nothing but a reference that comes back to itself."""
    for name in list(components):
        chain = [name]
        node = components[name]
        while isinstance(node, dict) and isinstance(node.get("$ref"), str):
            following = _named(node["$ref"])
            if following in chain or len(chain) > MAX_CHAIN:
                components[name] = {} if kind == "schema" else {"description": ""}
                break
            chain.append(following)
            node = components.get(following)


def cut_circles(schemas: Object) -> None:
    """Take out the references by which a schema is one of its own alternatives."""
    state: dict[str, int] = {}
    for start in schemas:
        if start in state:
            continue
        state[start] = 1
        stack = [(start, _edges(schemas[start]))]
        while stack:
            name, edges = stack[-1]
            holder = next(edges, None)
            if holder is None:
                state[name] = 2
                stack.pop()
                continue
            following = _named(holder["$ref"])
            if state.get(following) == 1:
                del holder["$ref"]
            elif following not in state and following in schemas:
                state[following] = 1
                stack.append((following, _edges(schemas[following])))


def _edges(schema: Any) -> Iterator[Object]:
    """Each schema in this one that has a reference and is read at the same place of a value."""
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict):
            continue
        if isinstance(node.get("$ref"), str):
            yield node
        waiting.extend(part for name in LISTS for part in node.get(name, ()))
        waiting.extend(node[name] for name in SINGLES if name in node)


def _named(reference: str) -> str:
    return unescaped(reference.rsplit("/", 1)[-1])
