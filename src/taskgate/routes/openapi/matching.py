"""Which documented operation stands behind which route.

A route shows the operation that its upstream path and method have in the service's document. A route that takes the
rest of a path (`{rest:path}`) shows every documented operation below it, unless another route has that one. A route
without a documented operation is told from what was registered with it; every route is shown once at least.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from taskgate.routes.openapi.grammar import METHODS
from taskgate.routes.openapi.naming import same_path, shown_path, variables_of
from taskgate.routes.openapi.reading import ApiDocument
from taskgate.routes.openapi.rewriting import Object
from taskgate.routes.service import Route, Service

ANY = "*"
COMMON = ("get", "post", "put", "patch", "delete")


class Shown(NamedTuple):
    """One operation of the merged document. `told` is None where the service has none; `renamed` are its path
    variables by the names that the service's document has for them."""

    route: Route
    method: str
    path: str
    source: str
    told: Object | None
    renamed: dict[str, str]


def shown(service: Service, document: ApiDocument | None) -> list[Shown]:
    """What of the service stands in the merged document, in the order of its routes; no method and path twice."""
    index = _Index(document)
    found: dict[tuple[str, str], Shown] = {}
    exact = [route for route in service.routes if not _is_wide(route)]
    for route in (*exact, *(route for route in service.routes if _is_wide(route))):
        for one in index.behind(route):
            key = (one.method, same_path(one.path))
            if key in found and one.told is None and route.path.endswith(":path}"):
                one = _longer(one)  # `/files/{name}` has a route of its own: the rest is what is longer
                key = (one.method, same_path(one.path))
            found.setdefault(key, one)
    return list(found.values())


def _longer(one: Shown) -> Shown:
    head, _, rest = one.path.rpartition("/")
    return one._replace(path=f"{head}/{{first_segment}}/{rest}")


def _is_wide(route: Route) -> bool:
    return route.path.endswith(":path}") or route.method == ANY


class _Index:
    """The documented operations by method and path; a base path in the document is tried with and without."""

    def __init__(self, document: ApiDocument | None) -> None:
        self._base = "" if document is None else document.base_path
        self._paths: Object = {} if document is None else document.tree["paths"]
        self._by_shape: dict[str, list[str]] = {}
        for path in self._paths:
            self._by_shape.setdefault(same_path(path), []).append(path)

    def behind(self, route: Route) -> Iterator[Shown]:
        """What a route shows."""
        upstream = shown_path(route.upstream_path or route.path)
        methods = METHODS if route.method == ANY else (route.method.lower(),)
        is_found = False
        if not route.task:
            for method in methods:
                for one in self._at(route, method, upstream):
                    is_found = True
                    yield one
        if is_found:
            return
        for method in COMMON if route.method == ANY else methods:
            if method in METHODS:
                yield Shown(route, method, shown_path(route.path), "", None, {})

    def _at(self, route: Route, method: str, upstream: str) -> Iterator[Shown]:
        for wanted in dict.fromkeys((upstream, upstream.removeprefix(self._base) or "/")):
            for source in self._by_shape.get(same_path(wanted), ()):
                if method in self._paths[source]:
                    renamed = dict(zip(variables_of(source), variables_of(wanted), strict=True))
                    path = shown_path(route.path)
                    told = self._paths[source][method]
                    yield Shown(route, method, path, source, told, _only_changed(renamed))
                    return
        if route.path.endswith(":path}"):
            yield from self._below(route, method, upstream)

    def _below(self, route: Route, method: str, upstream: str) -> Iterator[Shown]:
        head, public = upstream.rpartition("{")[0], shown_path(route.path).rpartition("{")[0]
        if "{" in head:
            return  # variables in front of the rest: which is which cannot be told
        for source, item in self._paths.items():
            for full in dict.fromkeys((source, self._base + source)):
                if method in item and full.startswith(head):
                    yield Shown(route, method, public + full[len(head) :], source, item[method], {})
                    break


def _only_changed(renamed: dict[str, str]) -> dict[str, str]:
    return {old: new for old, new in renamed.items() if old != new}
