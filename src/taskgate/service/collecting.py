"""What an application offers: its OpenAPI document and one route per operation, as the gateway registers them.

FastAPI says nearly all of it in its own document; a plain Starlette application is read from its routes and their
docstrings. Nothing of the application is changed, and no web framework is imported: what it brings is in memory.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from taskgate.service.examples import request_example, response_example

METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
NAME_LENGTH = 120  # what the gateway takes, with room for a number
SUMMARY_LENGTH = 256
TEXT_LENGTH = 20_000
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.:@-]+")
_VARIABLE = re.compile(r"\{([^{}:]+)(?::([^{}]+))?\}")


def document_of(app: Any) -> dict[str, Any] | None:
    """The application's own OpenAPI document; None for one that makes none."""
    make = getattr(app, "openapi", None)
    document = make() if callable(make) else None
    return document if isinstance(document, dict) else None


def routes_of(app: Any, document: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Every route that is meant to be seen, in the order of the application; `gateway_path` is its own path."""
    live = list(_live_routes(app))
    if document is None:
        return _distinct(told for route, path in live for told in _plain(route, path))
    rest_paths = {template(path, keep_rest=False): template(path) for _, path in live}
    sockets = [told for route, path in live if _is_socket(route) for told in _plain(route, path)]
    return _distinct([*routes_of_document(document, rest_paths=rest_paths), *sockets])


def routes_of_document(document: dict[str, Any], *, rest_paths: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """One route per operation. `rest_paths` tells which paths end in the rest of a path, which OpenAPI cannot say."""
    found = []
    for path, item in (document.get("paths") or {}).items():
        for method in METHODS:
            operation = item.get(method) if isinstance(item, dict) else None
            if not isinstance(operation, dict):
                continue
            public = (rest_paths or {}).get(path, path)
            route = _route(method.upper(), public, name=str(operation.get("operationId") or ""))
            route["summary"] = _one_line(operation.get("summary"))
            route["description"] = _text(operation.get("description"))
            route |= request_example(operation, document) | response_example(operation, document)
            found.append(route)
    return found


def template(path: str, *, keep_rest: bool = True) -> str:
    """A framework's path as the gateway writes it: `{id:int}` is `{id}`, `{rest:path}` stays at the end."""

    def variable(match: re.Match[str]) -> str:
        is_rest = keep_rest and match[2] == "path"
        return f"{{{match[1]}:path}}" if is_rest else f"{{{match[1]}}}"

    return _VARIABLE.sub(variable, path)


def _live_routes(app: Any) -> Iterator[tuple[Any, str]]:
    """The routes in memory with their whole path, those of included routers and mounts too."""
    routes: Iterable[Any] = getattr(app, "routes", None) or ()
    fastapi = sys.modules.get("fastapi.routing")
    each = getattr(fastapi, "iter_route_contexts", None)
    if each is None or not hasattr(app, "openapi"):
        yield from _below(routes, "")
        return
    for context in each(routes):
        yield from _below([getattr(context, "original_route", context)], "", path=getattr(context, "path", None))


def _below(routes: Iterable[Any], prefix: str, *, path: str | None = None) -> Iterator[tuple[Any, str]]:
    for route in routes:
        whole = prefix + (getattr(route, "path", "") if path is None else path)
        children = getattr(route, "routes", None)
        if children:
            yield from _below(children, whole)
        elif hasattr(route, "endpoint"):
            yield route, whole


def _is_socket(route: Any) -> bool:
    return getattr(route, "methods", None) is None


def _plain(route: Any, path: str) -> Iterator[dict[str, Any]]:
    """The routes of one that is described by its docstring alone. A class that answers several methods says which."""
    if not getattr(route, "include_in_schema", True):
        return
    endpoint = route.endpoint
    methods = ["GET"] if _is_socket(route) else sorted(set(route.methods) - {"HEAD"}) or ["HEAD"]
    text = inspect.getdoc(inspect.unwrap(endpoint)) or ""
    for method in methods:
        told = _route(method, template(path), name=str(getattr(route, "name", "") or ""))
        if len(methods) > 1:
            told["name"] = f"{told['name']}-{method.lower()}"
        first, _, rest = text.partition("\n")
        told["summary"], told["description"] = _one_line(first), _text(rest)
        yield told


def _route(method: str, path: str, *, name: str) -> dict[str, Any]:
    named = _NOT_IN_NAMES.sub("-", name or f"{method.lower()}{path}").strip("-")[:NAME_LENGTH]
    return {"name": named, "method": method, "gateway_path": path, "upstream_path": path}


def _one_line(text: Any) -> str:
    """Text as a summary may be: one printable line."""
    return "".join(char if char.isprintable() else " " for char in str(text or ""))[:SUMMARY_LENGTH].strip()


def _text(text: Any) -> str:
    return "".join(char for char in str(text or "") if char.isprintable() or char in "\n\t")[:TEXT_LENGTH].strip()


def _distinct(routes: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The routes with no name twice: later ones are numbered."""
    counts: dict[str, int] = {}
    found = []
    for route in routes:
        count = counts[route["name"]] = counts.get(route["name"], 0) + 1
        found.append(route if count == 1 else {**route, "name": f"{route['name']}-{count}"})
    return found
