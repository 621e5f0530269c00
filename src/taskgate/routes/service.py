"""A service and its routes, as registered. Values only.

Immutable: a changed registration is a new value, swapped whole. The document is kept as the bytes that came, so
that nothing of it is lost; what is served from it is made by `routes/openapi`.
"""

from __future__ import annotations

import hashlib

import msgspec

from taskgate.routes.policy import Policy
from taskgate.wire.messages import OptionalRaw


class Route(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Method and public path, and where a call to it goes: an upstream path, or a task when `task` is set.

    `path` is the public template including its service's prefix: `{name}` is one segment, `{name:path}` the rest of
    the path and only as the last part. `upstream_path` uses the same variables. `method` is upper case, or `*` for
    every method that has no route of its own at this path.
    """

    name: str
    method: str
    path: str
    upstream_path: str = ""
    task: str = ""
    wait_s: float = 30.0
    summary: str = ""
    description: str = ""
    request_example: OptionalRaw = None
    response_example: OptionalRaw = None
    policy: Policy = Policy()


class Service(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A registered HTTP upstream. `lease_s` 0 is a service that stays until it is withdrawn.

    Callers of `site_id` alone may call and see it, unless it is `shared` (registered with `serve:*` or `admin`).
    `document` is an OpenAPI document as it came, b"" for none; `openapi_url` is where it came from, if it was fetched.
    `follows_document`: its routes are the operations of its document, and change with it, within the rights of the
    key that registered it: `bounds` are its prefixes, `may_be_wide` says that it was an administrator's.
    """

    name: str
    base_url: str
    site_id: str = "default"
    shared: bool = False
    owner: str = ""
    prefix: str = ""
    routes: tuple[Route, ...] = ()
    document: bytes = b""
    openapi_url: str = ""
    policy: Policy = Policy()
    lease_s: float = 30.0
    registered_at: float = 0.0
    follows_document: bool = False
    bounds: tuple[str, ...] = ()
    may_be_wide: bool = False

    def serves(self, site_id: str) -> bool:
        """Whether a caller of that site may call it, or know of it."""
        return self.shared or self.site_id == site_id


def digest_of(service: Service) -> str:
    """32 hex characters that name this very registration, whenever it was made."""
    same = msgspec.structs.replace(service, registered_at=0.0, owner="")
    return hashlib.sha256(msgspec.json.encode(same, order="sorted")).hexdigest()[:32]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Every service at one moment, by name. `away` are those whose lease has lapsed: their routes stay known, a call
    is answered 503 SERVICE_AWAY or goes to its fallback. `stale` are those whose document could not be fetched or
    read any more, so that the last good one stands. `number` grows with every change."""

    services: tuple[Service, ...] = ()
    away: frozenset[str] = frozenset()
    stale: frozenset[str] = frozenset()
    number: int = 0
