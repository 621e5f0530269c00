"""One document out of many: the gateway's own and the pieces of the services that a caller may see.

Pieces come with names that cannot clash, so merging is putting side by side; only the names of path variables may
change, where two services told one path with different ones. Nothing that is put in is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from taskgate.routes.openapi.grammar import METHODS
from taskgate.routes.openapi.naming import same_path, variables_of
from taskgate.routes.openapi.pieces import Piece, PieceOperation
from taskgate.routes.openapi.rewriting import Object
from taskgate.routes.openapi.streams import with_items

VERSIONS = {"3.1": "3.1.1", "3.2": "3.2.0"}
STALE = "Stale: {}."


def _everything(_: str) -> bool:
    return True


def merge(
    own: Object,
    pieces: Sequence[Piece],
    *,
    version: str = "3.1",
    allows: Callable[[str], bool] = _everything,
    operator: bool = False,
) -> Object:
    """The merged document. `own` is a complete document of that version (`3.1` or `3.2`); what it has, it keeps.

    `allows(scope)`: whether the caller's key does. `operator`: tell where the services are (`x-upstream`).
    """
    merger = _Merger(own, version)
    groups = [{"name": own["info"]["title"], "tags": [tag["name"] for tag in own.get("tags", ())]}]
    tags: list[Object] = list(own.get("tags", ()))
    for piece in sorted(pieces, key=lambda piece: piece.service):
        operations = [operation for operation in piece.operations if allows(operation.scope)]
        if not operations:
            continue
        merger.add(piece, operations)
        told = _tags_of(piece, operations, version=version, operator=operator)
        groups.append({"name": piece.service, "tags": [tag["name"] for tag in told]})
        # a service may be called like a group of our own: it stands in it then, for a tag is told once
        tags.extend(tag for tag in told if all(tag["name"] != other["name"] for other in tags))
    document = {**own, "openapi": VERSIONS[version], "tags": tags}
    document |= {"paths": merger.paths, "components": merger.components}
    if version == "3.1":
        document["x-tagGroups"] = groups
    return document


class _Merger:
    def __init__(self, own: Object, version: str) -> None:
        self.paths: dict[str, Object] = {path: dict(item) for path, item in own.get("paths", {}).items()}
        self.components: dict[str, Object] = {name: dict(part) for name, part in own.get("components", {}).items()}
        self._shapes = {same_path(path): path for path in self.paths}
        self._version = version

    def add(self, piece: Piece, operations: Iterable[PieceOperation]) -> None:
        """Put a piece's operations and what they need beside the others."""
        waiting: list[tuple[str, str]] = []
        for operation in operations:
            told = operation.told
            if self._version == "3.2" and operation.streams:
                told = with_items(told)
            path = self._shapes.setdefault(same_path(operation.path), operation.path)
            if path != operation.path:
                told = _renamed(told, dict(zip(variables_of(operation.path), variables_of(path), strict=True)))
            self.paths.setdefault(path, {}).setdefault(operation.method, told)
            waiting.extend(operation.needs)
        done: set[tuple[str, str]] = set()
        while waiting:
            need = waiting.pop()
            if need not in done:
                done.add(need)
                part, needs = piece.components[need]
                self.components.setdefault(need[0], {})[need[1]] = part
                waiting.extend(needs)


def _renamed(told: Object, names: dict[str, str]) -> Object:
    parameters = [
        {**parameter, "name": names.get(parameter["name"], parameter["name"])}
        if parameter.get("in") == "path"
        else parameter
        for parameter in told.get("parameters", ())
    ]
    return {**told, "parameters": parameters}


def _tags_of(piece: Piece, operations: list[PieceOperation], *, version: str, operator: bool) -> list[Object]:
    """The service's own tag, then those of its document that are used, as its children."""
    stale = STALE.format(piece.stale) if piece.stale else ""
    head: Object = {"name": piece.service, "description": _joined(piece.title, stale)}
    if piece.stale:
        head["x-stale"] = True
    if operator:
        head["x-upstream"] = piece.base_url
    if version == "3.2":
        head["kind"] = "nav"
    used = {tag for operation in operations for tag in operation.told["tags"]} - {piece.service}
    children: list[Object] = []
    for name in piece.tags:
        if name in used:
            # a page shows a tag only where operations stand, so the parent's note alone may be seen by nobody
            child: dict[str, Any] = {"name": name, "description": _joined(piece.tags[name], stale)}
            children.append({**child, "parent": piece.service, "kind": "nav"} if version == "3.2" else child)
    return [head, *children]


def _joined(*words: str) -> str:
    return " · ".join(word for word in words if word)


def operations_of(document: Object) -> list[tuple[str, str, Object]]:
    """Every (path, method, operation) of a document."""
    return [
        (path, method, item[method])
        for path, item in document.get("paths", {}).items()
        for method in METHODS
        if method in item
    ]
