"""What the gateway and its fronts say to each other over a Unix socket that only their user can open.

The gateway begins with `State`, then tells every change. A front asks (`FindKey`, `ListKeys`, `Perform`) and is
answered under the number of its question; it tells how its upstreams do once a second. Documents never travel: a
front needs routes and policies, not pages (`lean`). A secret never travels either: keys are records of hashes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from taskgate.identity.ports import KeyRecord
from taskgate.identity.principal import Principal
from taskgate.proxy.counters import RouteGrowth
from taskgate.routes.ports import Health
from taskgate.routes.records import CallRecord
from taskgate.routes.service import Service, Snapshot


class Begin(msgspec.Struct, frozen=True):
    """What a front is given on its standard input, as JSON: the port it shares, with how many, the ports that are
    nobody's upstream, every setting, and the secret that identities are signed with, in hex."""

    port: int
    count: int
    own_ports: tuple[int, ...]
    settings: dict[str, Any]
    identity_root: str = ""


class State(msgspec.Struct, tag=True, frozen=True):
    """The first word of the gateway: what a front needs to open its door. Its keys it asks for."""

    snapshot: Snapshot


class RoutesNow(msgspec.Struct, tag=True, frozen=True):
    """The services changed since the last word of them: all their names in order, and those that are other or new."""

    names: tuple[str, ...]
    fresh: tuple[Service, ...]
    away: frozenset[str]
    stale: frozenset[str]
    number: int


class News(msgspec.Struct, tag=True, frozen=True):
    """A message of the gateway's signals, as it was published."""

    topic: str
    payload: bytes


class KeyFound(msgspec.Struct, tag=True, frozen=True):
    """The answer to `FindKey`."""

    number: int
    record: KeyRecord | None


class KeyList(msgspec.Struct, tag=True, frozen=True):
    """The answer to `ListKeys`."""

    number: int
    records: list[KeyRecord]


class Performed(msgspec.Struct, tag=True, frozen=True):
    """The answer to `Perform`."""

    number: int
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Refused(msgspec.Struct, tag=True, frozen=True):
    """A question failed: `kind` is the name of the error's class."""

    number: int
    kind: str
    code: str
    detail: str
    extra: dict[str, object]
    retry_after_s: float = 1.0


class FindKey(msgspec.Struct, tag=True, frozen=True):
    """Whose key is this id?"""

    number: int
    key_id: str


class ListKeys(msgspec.Struct, tag=True, frozen=True):
    """Every key."""

    number: int


class Perform(msgspec.Struct, tag=True, frozen=True):
    """Submit this call as a run and wait for it."""

    number: int
    principal: Principal
    task: str
    body: bytes
    key: str
    wait_s: float
    traceparent: str


class Told(msgspec.Struct, tag=True, frozen=True):
    """How the upstreams do, by service; what this front holds at this moment; what its routes counted since it told
    the last time, so that a front that dies takes a second of counts with it and no more."""

    health: dict[str, Health]
    usage: dict[str, int]
    grown: list[RouteGrowth] = []


class Records(msgspec.Struct, tag=True, frozen=True):
    """Recorded calls, for the gateway's store."""

    records: list[CallRecord]


Answer = KeyFound | KeyList | Performed | Refused
ToFront = State | RoutesNow | News | KeyFound | KeyList | Performed | Refused
ToGateway = FindKey | ListKeys | Perform | Told | Records


def lean(snapshot: Snapshot) -> Snapshot:
    """The snapshot without documents and descriptions."""
    return msgspec.structs.replace(snapshot, services=tuple(map(_lean, snapshot.services)))


def difference(before: Snapshot, after: Snapshot) -> RoutesNow:
    """What to tell a front that knows `before`, a snapshot as it was published."""
    known = {service.name: service for service in before.services}
    return RoutesNow(
        names=tuple(service.name for service in after.services),
        fresh=tuple(_lean(service) for service in after.services if known.get(service.name) is not service),
        away=after.away,
        stale=after.stale,
        number=after.number,
    )


def followed(before: Snapshot, news: RoutesNow) -> Snapshot:
    """The snapshot that a front has after these news; what did not change is the same objects."""
    known = {service.name: service for service in (*before.services, *news.fresh)}
    services = tuple(known[name] for name in news.names)
    return Snapshot(services=services, away=news.away, stale=news.stale, number=news.number)


def _lean(service: Service) -> Service:
    routes = tuple(
        msgspec.structs.replace(route, description="", request_example=None, response_example=None)
        for route in service.routes
    )
    return msgspec.structs.replace(service, document=b"", routes=routes)
