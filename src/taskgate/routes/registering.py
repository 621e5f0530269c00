"""From an announced service to a service: its routes, from a list or from its document, and what to warn about.

Pure. What breaks a rule in an explicit list refuses the whole registration; an operation of a document that cannot be
a route is left out with a warning, because the document describes more than its gateway has to serve.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from taskgate.errors import Forbidden, InvalidInput, TaskgateError
from taskgate.identity.principal import Principal
from taskgate.routes.checking import METHODS, base_url_of, check_count, is_text, refused
from taskgate.routes.openapi.reading import ApiDocument, DocumentedOperation
from taskgate.routes.paths import checked_template, is_below, is_reserved, is_wide, joined, normalised, variables_of
from taskgate.routes.registration import Registration, WantedRoute
from taskgate.routes.service import Route, Service
from taskgate.routes.settings import RouteSettings

MAX_WARNINGS = 50
_UNFIT = re.compile(r"[^A-Za-z0-9_.:@-]+")


class Rights(msgspec.Struct, frozen=True, kw_only=True):
    """What the registrar's key says about paths."""

    prefixes: tuple[str, ...] = ()
    is_admin: bool = False

    def check(self, template: str, where: str) -> None:
        """InvalidInput for the gateway's own paths, Forbidden for what only others may register."""
        if is_reserved(template):
            raise refused(where, "this path is the gateway's own", code="PATH_RESERVED")
        if is_wide(template) and not self.is_admin:
            raise Forbidden(
                "a path that takes a whole level of the gateway's own paths needs the scope admin",
                code="PATH_TOO_WIDE",
                extra={"path": where},
            )
        if self.prefixes and not is_below(template, self.prefixes):
            raise Forbidden("this key may not register here", code="PREFIX_NOT_YOURS", extra={"path": where})


def rights_of(principal: Principal) -> Rights:
    """The rights of a key; the prefixes of an administrator's key bind it too."""
    return Rights(prefixes=principal.prefixes, is_admin=principal.may("admin"))


def service_of(
    asked: Registration,
    document: ApiDocument | None,
    *,
    rights: Rights,
    settings: RouteSettings,
) -> tuple[Service, list[str]]:
    """The service without its owner, and warnings. InvalidInput or Forbidden where a rule is broken."""
    prefix = _prefix_of(asked, rights)
    operations = document.operations if document is not None else ()
    warnings: list[str] = []
    if asked.routes is None:
        if document is None:
            raise refused("/routes", "neither routes nor a document came", code="NOTHING_TO_SERVE")
        routes = routes_of(document, base_url=asked.base_url, prefix=prefix, rights=rights, warnings=warnings)
        if not routes:
            raise refused("/openapi", "no operation of the document can be a route", code="NOTHING_TO_SERVE")
    else:
        routes = _explicit(asked.routes, operations, prefix=prefix, rights=rights)
    check_count(len(routes), settings)
    warnings += _warned(routes, operations, prefix=prefix)
    service = Service(
        name=asked.name,
        base_url=base_url_of(asked.base_url, "/base_url").text,
        prefix=prefix,
        routes=tuple(routes),
        document=asked.document,
        openapi_url=asked.openapi_url,
        policy=asked.policy,
        lease_s=settings.lease_s if asked.lease_s is None else asked.lease_s,
        follows_document=asked.routes is None,
    )
    return service, warnings


def routes_of(document: ApiDocument, *, base_url: str, prefix: str, rights: Rights, warnings: list[str]) -> list[Route]:
    """A route for each operation that can be one; a warning for each that cannot.

    The path of the document's server stands before the upstream path, unless the base URL ends with it already.
    """
    base_path = document.base_path.rstrip("/")
    before = "" if base_url.rstrip("/").endswith(base_path) else base_path
    routes: list[Route] = []
    taken: set[str] = set()
    places: set[tuple[str, str]] = set()
    for operation in document.operations:
        path = joined(prefix, operation.path)
        method = operation.method
        try:
            if method not in METHODS:
                raise InvalidInput("its method is not served")
            checked_template(before + operation.path, "/path")
            rights.check(checked_template(path, "/path"), "/path")
            if (method, normalised(path)) in places:
                raise InvalidInput("the same method and path stand in it twice")
        except TaskgateError as error:
            if error.code == "PREFIX_NOT_YOURS":
                raise
            warnings.append(f"{_shown(method, operation.path)} is left out: {error.detail}")
            continue
        places.add((method, normalised(path)))
        name = _name_of(operation, taken)
        taken.add(name)
        routes.append(
            Route(
                name=name,
                method=method,
                path=path,
                upstream_path=before + operation.path,
                summary=_line(operation.summary),
                description=operation.description if is_text(operation.description, is_line=False) else "",
            )
        )
    return routes


def _prefix_of(asked: Registration, rights: Rights) -> str:
    prefix = asked.prefix.rstrip("/")
    if prefix:
        if "{" in prefix:
            raise refused("/prefix", "a prefix has no variables", code="BAD_PATH")
        checked_template(prefix, "/prefix")
        rights.check(prefix, "/prefix")
        rights.check(f"{prefix}/{{rest:path}}", "/prefix")
    return prefix


def _explicit(
    wanted: Sequence[WantedRoute], operations: Iterable[DocumentedOperation], *, prefix: str, rights: Rights
) -> list[Route]:
    documented = {(one.method, normalised(one.path)): one for one in operations}
    routes: list[Route] = []
    names: set[str] = set()
    places: set[tuple[str, str]] = set()
    for index, route in enumerate(wanted):
        where = f"/routes/{index}"
        made = _route(route, where, prefix=prefix)
        rights.check(made.path, f"{where}/gateway_path")
        place = (made.method, normalised(made.path))
        if made.name in names:
            raise refused(f"{where}/name", "this name stands in the list twice", code="ROUTE_TWICE")
        if place in places:
            raise refused(f"{where}/gateway_path", "this method and path stand in the list twice", code="ROUTE_TWICE")
        names.add(made.name)
        places.add(place)
        told = documented.get((made.method, normalised(made.upstream_path))) if made.upstream_path else None
        if told is not None and not made.summary:
            made = msgspec.structs.replace(made, summary=_line(told.summary))
        routes.append(made)
    return routes


def _route(wanted: WantedRoute, where: str, *, prefix: str) -> Route:
    path = checked_template(wanted.gateway_path, f"{where}/gateway_path")
    behind = path[len(prefix) :] or "/" if prefix and is_below(path, (prefix,)) else path
    path = checked_template(joined(prefix, behind), f"{where}/gateway_path")
    upstream_path = "" if wanted.task else wanted.upstream_path or behind
    if upstream_path:
        checked_template(upstream_path, f"{where}/upstream_path")
        unknown = set(variables_of(upstream_path)) - set(variables_of(path))
        if unknown:
            raise refused(f"{where}/upstream_path", "it has a variable that the public path does not have")
    return Route(
        name=wanted.name,
        method=wanted.method.upper(),
        path=path,
        upstream_path=upstream_path,
        task=wanted.task,
        wait_s=wanted.wait_s,
        summary=wanted.summary,
        description=wanted.description,
        request_example=wanted.request_example,
        response_example=wanted.response_example,
        policy=wanted.policy,
    )


def _warned(routes: Sequence[Route], operations: Iterable[DocumentedOperation], *, prefix: str) -> list[str]:
    shown = {(one.method, normalised(one.path)) for one in operations if one.has_example}
    warnings: list[str] = []
    for route in routes:
        missing = [] if route.summary else ["summary"]
        has_example = route.request_example is not None or route.response_example is not None
        behind = route.path[len(prefix) :] or "/"
        if not has_example and not {(route.method, normalised(path)) for path in (route.upstream_path, behind)} & shown:
            missing.append("example")
        if missing:
            warnings.append(f"{_shown(route.method, route.path)} has no {' and no '.join(missing)}")
    return warnings


def bounded(warnings: Sequence[str]) -> tuple[str, ...]:
    """At most `MAX_WARNINGS` of them, and how many there were."""
    if len(warnings) <= MAX_WARNINGS:
        return tuple(warnings)
    return (*warnings[:MAX_WARNINGS], f"and {len(warnings) - MAX_WARNINGS} more")


def _name_of(operation: DocumentedOperation, taken: set[str]) -> str:
    plain = operation.operation_id or f"{operation.method.lower()}{operation.path}"
    name = _UNFIT.sub("-", plain).strip("-.:@")[:120] or "operation"
    number = 1
    fresh = name
    while fresh in taken:
        number += 1
        fresh = f"{name}-{number}"
    return fresh


def _line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text[:256])


def _shown(method: str, path: str) -> str:
    return _line(f"{method[:16]} {path}")
