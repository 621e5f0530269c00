"""What callers get to see of registered services, as shapes.

Every shape is also the source of its JSON Schema in the document.
"""

from __future__ import annotations

from datetime import datetime

from taskgate.edge.http.shapes import Given
from taskgate.routes.policy import Policy
from taskgate.wire.messages import OptionalRaw


class RegisteredShape(Given):
    """A service that stands now. `routes` are `METHOD /path`; renew the lease after `renew_after_s` (0: never).

    `identity_secret`: with it the service checks X-Taskgate-Identity. It is told here and nowhere else.
    """

    service: str
    routes: list[str]
    lease_s: float
    renew_after_s: float
    warnings: list[str]
    identity_secret: str


class LeaseShape(Given):
    """A fresh lease."""

    service: str
    lease_s: float
    renew_after_s: float


class HealthOfUpstream(Given):
    """How the upstream answers: its breaker (`closed`, `open`, `half_open`, `unknown`), failures in a row, the last."""

    state: str
    failures: int
    last_error: str


class RouteShape(Given):
    """A route that can be called."""

    service: str
    name: str
    method: str
    gateway_path: str
    upstream_path: str
    task: str
    summary: str
    description: str
    request_example: OptionalRaw
    response_example: OptionalRaw
    policy: Policy


class ServiceShape(Given):
    """A registered service. `status`: `up`, `away` (its lease lapsed), `kept` (lapsed with too many others at once).

    `stale`: its document cannot be fetched or read, the last good one stands.
    """

    name: str
    site_id: str
    shared: bool
    base_url: str
    prefix: str
    openapi_url: str
    has_document: bool
    routes: list[str]
    policy: Policy
    lease_s: float
    registered_at: datetime
    status: str
    health: HealthOfUpstream
    stale: bool
    stale_since: datetime | None
    stale_error: str


class ServicesShape(Given):
    """Services in the order of their first registration."""

    services: list[ServiceShape]


class RoutesShape(Given):
    """Routes by service, in its own order."""

    routes: list[RouteShape]
