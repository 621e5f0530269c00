"""What somebody asks for when a service is announced: values as they came, nothing checked.

`checking.py` says what is wrong with one, `registering.py` makes a service of it.
"""

from __future__ import annotations

import msgspec

from taskgate.routes.policy import Policy
from taskgate.wire.messages import OptionalRaw


class WantedRoute(msgspec.Struct, frozen=True, kw_only=True):
    """One explicit route. The prefix is put before `gateway_path` unless it stands there already; `upstream_path` ""
    is the path behind the prefix."""

    name: str
    method: str
    gateway_path: str
    upstream_path: str = ""
    summary: str = ""
    description: str = ""
    request_example: OptionalRaw = None
    response_example: OptionalRaw = None
    task: str = ""
    wait_s: float = 30.0
    policy: Policy = Policy()


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """A service as announced. `routes` None: every operation of its document. `lease_s` None: the gateway's default.

    `shared` None: for every site if the key may serve every site (`serve:*`), else for its own.
    """

    name: str
    base_url: str
    prefix: str = ""
    routes: tuple[WantedRoute, ...] | None = None
    document: bytes = b""
    openapi_url: str = ""
    lease_s: float | None = None
    shared: bool | None = None
    policy: Policy = Policy()


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it. `renew_after_s` 0: the lease needs no renewal."""

    name: str
    routes: tuple[str, ...]
    lease_s: float
    renew_after_s: float
    warnings: tuple[str, ...] = ()
