"""Registered services into shapes.

Where a service is (its base URL, its document's address, its upstream paths) is shown to those who may change it, to
nobody else; whether a caller may is decided by who asks for the shape.
"""

from __future__ import annotations

from taskgate.edge.http import service_shapes as shapes
from taskgate.edge.http.rendering import moment, moment_or_none
from taskgate.routes.policy import Policy
from taskgate.routes.ports import Health
from taskgate.routes.registration import Registered
from taskgate.routes.service import Route, Service
from taskgate.routes.standing import ServiceView


def registered_shape(told: Registered, *, identity_secret: str) -> shapes.RegisteredShape:
    """What a registration answers."""
    return shapes.RegisteredShape(
        service=told.name,
        routes=list(told.routes),
        lease_s=told.lease_s,
        renew_after_s=told.renew_after_s,
        warnings=list(told.warnings),
        identity_secret=identity_secret,
    )


def lease_shape(told: Registered) -> shapes.LeaseShape:
    """What a renewal answers."""
    return shapes.LeaseShape(service=told.name, lease_s=told.lease_s, renew_after_s=told.renew_after_s)


def service_shape(view: ServiceView, health: Health, *, shows_addresses: bool) -> shapes.ServiceShape:
    """A service as it is listed."""
    service, trouble = view.service, view.trouble
    return shapes.ServiceShape(
        name=service.name,
        site_id=service.site_id,
        shared=service.shared,
        base_url=service.base_url if shows_addresses else "",
        prefix=service.prefix,
        openapi_url=service.openapi_url if shows_addresses else "",
        has_document=bool(service.document),
        routes=[f"{route.method} {route.path}" for route in service.routes],
        policy=_shown(service.policy, shows_addresses=shows_addresses),
        lease_s=service.lease_s,
        registered_at=moment(service.registered_at),
        status=view.status,
        health=shapes.HealthOfUpstream(
            state=health.state,
            failures=health.failures,
            last_error=health.last_error if shows_addresses else "",
        ),
        stale=trouble is not None,
        stale_since=moment_or_none(trouble.since if trouble else None),
        stale_error=trouble.error if trouble and shows_addresses else "",
    )


def route_shape(service: Service, route: Route, *, shows_addresses: bool) -> shapes.RouteShape:
    """A route as it is listed."""
    return shapes.RouteShape(
        service=service.name,
        name=route.name,
        method=route.method,
        gateway_path=route.path,
        upstream_path=route.upstream_path if shows_addresses else "",
        task=route.task,
        summary=route.summary,
        description=route.description,
        request_example=route.request_example,
        response_example=route.response_example,
        policy=_shown(route.policy, shows_addresses=shows_addresses),
    )


def _shown(policy: Policy, *, shows_addresses: bool) -> Policy:
    """The policy; what says where calls go or with which credential only for those who may change it."""
    return policy if shows_addresses else Policy(scope=policy.scope, rate_limits=policy.rate_limits)
