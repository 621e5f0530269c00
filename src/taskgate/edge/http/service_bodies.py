"""What services send when they register, as strict shapes, and the domain values that they become.

Members that are not listed are refused by name. Documents and examples are raw JSON that is carried and never read
here; numbers and names are judged by the room of routes.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Raw

from taskgate.edge.http.bodies import Shape
from taskgate.edge.http.reading import decoded
from taskgate.routes.policy import Alternative, BreakerRule, Fallback, Policy, RateLimit, RetryRule, Timeouts
from taskgate.routes.registration import Registration, WantedRoute
from taskgate.wire.messages import EMPTY, OptionalRaw


class TimeoutsBody(Timeouts, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long an upstream may take. `idle_s` is silence once its answer has begun, `total_s` 0 is no limit."""


class RateLimitBody(RateLimit, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token bucket for each principal, each tenant, or one for the route: `burst` at once, `rate` a second."""


class BreakerBody(BreakerRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an upstream is left alone, for how long, and how many calls then try it. `failures` 0: never."""


class RetryBody(RetryRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often the same upstream is asked again before a byte of an answer has come."""


class AlternativeBody(Alternative, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a call goes next: exactly one of a base URL, a registered service, or a task."""


class FallbackBody(Fallback, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """On which failures the call goes on to which alternatives, in order."""

    to: tuple[AlternativeBody, ...] = ()


class PolicyBody(Policy, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a call may do. What a route leaves out it takes from its service, what both leave out from the gateway.

    `credential` is what the upstream gets: `none`, the `caller`'s own, or `set:NAME`, which the operator named.
    """

    rate_limits: tuple[RateLimitBody, ...] | None = None
    timeouts: TimeoutsBody | None = None
    breaker: BreakerBody | None = None
    retry: RetryBody | None = None
    fallback: FallbackBody | None = None


class RouteBody(Shape):
    """One route: method and public path, and where a call to it goes: a path of the service, or a task.

    `{name}` is one segment of a path, `{name:path}` the rest of it. Without `upstream_path` it is the public path
    behind the service's prefix.
    """

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
    policy: PolicyBody = PolicyBody()


class RegisterBody(Shape):
    """A service announces itself.

    Routes are the listed ones; without a list, every operation of the document, which comes along (`openapi`, JSON, or
    a string with YAML) or is fetched (`openapi_url`). `prefix` stands before every public path. The lease has to be
    renewed (`PUT /gateway/services/{name}/lease`); `lease_s` 0 is a service that stays until it is withdrawn.
    """

    name: str
    base_url: str
    prefix: str = ""
    openapi_url: str = ""
    openapi: OptionalRaw = None
    routes: Annotated[list[RouteBody], Meta(max_length=100_000)] | None = None
    lease_s: float | None = None
    shared: bool | None = None
    policy: PolicyBody = PolicyBody()


def registration_of(body: RegisterBody) -> Registration:
    """What is asked for, as the room of routes knows it."""
    return Registration(
        name=body.name,
        base_url=body.base_url,
        prefix=body.prefix,
        routes=None if body.routes is None else tuple(map(_route, body.routes)),
        document=_document(body.openapi),
        openapi_url=body.openapi_url,
        lease_s=body.lease_s,
        shared=body.shared,
        policy=_policy(body.policy),
    )


def _route(body: RouteBody) -> WantedRoute:
    return WantedRoute(
        name=body.name,
        method=body.method,
        gateway_path=body.gateway_path,
        upstream_path=body.upstream_path,
        summary=body.summary,
        description=body.description,
        request_example=_copied(body.request_example),
        response_example=_copied(body.response_example),
        task=body.task,
        wait_s=body.wait_s,
        policy=_policy(body.policy),
    )


def _policy(body: PolicyBody) -> Policy:
    return msgspec.convert(msgspec.to_builtins(body), Policy)


def _document(raw: Raw | None) -> bytes:
    if raw is None or bytes(raw) == EMPTY:
        return b""
    data = bytes(raw)
    return decoded(data, str).encode() if data[:1] == b'"' else data


def _copied(raw: Raw | None) -> Raw | None:
    """The example apart from the body that it came in, which may be ten thousand times as long."""
    return None if raw is None else Raw(bytes(raw))
