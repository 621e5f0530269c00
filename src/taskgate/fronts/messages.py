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
from taskgate.routes.ports import Health
from taskgate.routes.records import CallRecord
from taskgate.routes.service import Snapshot


class Begin(msgspec.Struct, frozen=True):
    """What a front is given on its standard input, as JSON: the port it shares, with how many, the ports that are
    nobody's upstream, and every setting."""

    port: int
    count: int
    own_ports: tuple[int, ...]
    settings: dict[str, Any]


class State(msgspec.Struct, tag=True, frozen=True):
    """The first word of the gateway: what a front needs to open its door. Its keys it asks for."""

    snapshot: Snapshot


class RoutesNow(msgspec.Struct, tag=True, frozen=True):
    """The services changed."""

    snapshot: Snapshot


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
    """How the upstreams do, by service, and what this front counted since it began."""

    health: dict[str, Health]
    counts: dict[str, int]


class Records(msgspec.Struct, tag=True, frozen=True):
    """Recorded calls, for the gateway's store."""

    records: list[CallRecord]


Answer = KeyFound | KeyList | Performed | Refused
ToFront = State | RoutesNow | News | KeyFound | KeyList | Performed | Refused
ToGateway = FindKey | ListKeys | Perform | Told | Records


def lean(snapshot: Snapshot) -> Snapshot:
    """The snapshot without documents and descriptions."""
    services = tuple(
        msgspec.structs.replace(
            service,
            document=b"",
            routes=tuple(
                msgspec.structs.replace(route, description="", request_example=None, response_example=None)
                for route in service.routes
            ),
        )
        for service in snapshot.services
    )
    return msgspec.structs.replace(snapshot, services=services)
