"""The body of a registration: who, where, which routes under which public paths, with which policies.

It checks nothing: what is wrong is refused by the gateway, which names the place.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from taskgate.service.settings import ServiceSettings

Exposed: TypeAlias = Mapping[str, str | Mapping[str, Any]]
_log = logging.getLogger("taskgate.service")


def body_of(
    settings: ServiceSettings,
    routes: Sequence[Mapping[str, Any]] | None,
    *,
    policy: Mapping[str, Any] | None = None,
    members: Mapping[str, Any] | None = None,
) -> bytes:
    """JSON for `POST /gateway/register`; the prefix stands in every public path, so it needs no member of its own.

    `members` are further ones, as they are. Equal content gives equal bytes, whatever the order of its members was.
    """
    content: dict[str, Any] = {**(members or {}), "name": settings.name, "base_url": settings.base_url}
    if routes is not None:
        content["routes"] = [
            {**route, "gateway_path": _joined(settings.prefix, str(route["gateway_path"]))} for route in routes
        ]
    elif settings.prefix:
        content["prefix"] = settings.prefix
    if policy:
        content["policy"] = policy
    if settings.lease_s is not None:
        content["lease_s"] = settings.lease_s
    return msgspec.json.encode(content, order="deterministic", enc_hook=str)


def _joined(prefix: str, path: str) -> str:
    return prefix if prefix and path == "/" else prefix + path


def exposed(routes: Iterable[Mapping[str, Any]], wanted: Exposed | None) -> list[dict[str, Any]]:
    """The routes that `wanted` names, each under the public path it gives; None takes all as they are.

    A key is `POST /api/add`, or `/api/add` for every method there; a value is the public path, or a mapping of a
    route's members (`gateway_path`, `policy`, `wait_s`, …). A key that names nothing is told in the log.
    """
    if wanted is None:
        return [dict(route) for route in routes]
    taken: list[dict[str, Any]] = []
    used: set[str] = set()
    for route in routes:
        path = str(route["upstream_path"])
        key = next((one for one in (f"{route['method']} {path}", path) if one in wanted), None)
        if key is None:
            continue
        used.add(key)
        said = wanted[key]
        taken.append({**route, **({"gateway_path": said} if isinstance(said, str) else said)})
    for key in wanted.keys() - used:
        _log.warning("the service has no route %r to expose", key)
    return taken
