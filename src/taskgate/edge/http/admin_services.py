"""Administrative endpoints of services: register, renew, withdraw, list.

A caller sees services of its own site and shared ones; only an operator sees those of all sites. What is another
site's and not shared is answered as unknown.
"""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from taskgate.edge.http import service_shapes as shapes
from taskgate.edge.http.admin import add, allowed, answer, call_of
from taskgate.edge.http.doors import Doors
from taskgate.edge.http.reading import decoded
from taskgate.edge.http.service_bodies import RegisterBody, registration_of
from taskgate.edge.http.service_rendering import lease_shape, registered_shape, route_shape, service_shape
from taskgate.identity.principal import Principal
from taskgate.routes.ports import Health
from taskgate.routes.service import Service
from taskgate.routes.standing import ServiceView

TAG = "Services"
UNKNOWN = Health(state="unknown")


class ServiceRoutes:
    """Services and their routes."""

    def __init__(self, doors: Doors, *, max_body_bytes: int) -> None:
        self._doors = doors
        self._max_body_bytes = max_body_bytes

    def add_to(self, app: FastAPI) -> None:
        """Serve them."""
        add(app, "POST /gateway/register", endpoint=self._register, summary="Register a service", tag=TAG,
            operation_id="registerService", scope="register", takes=RegisterBody, gives={200: shapes.RegisteredShape},
            description="The whole service, new or changed; the same again only renews its lease. All or nothing: a "
            "registration that is refused changes nothing. 409 names the owner of a path that is taken.")  # fmt: skip
        add(app, "PUT /gateway/services/{name}/lease", endpoint=self._renew, summary="Renew a service's lease",
            tag=TAG, operation_id="renewService", scope="register", gives={200: shapes.LeaseShape},
            description="Writes nothing. 404 means that it has to be registered again.")  # fmt: skip
        add(app, "DELETE /gateway/services/{name}", endpoint=self._withdraw, summary="Withdraw a service", tag=TAG,
            operation_id="withdrawService", scope="register", gives={204: "Its routes are gone."},
            description="Calls that are under way go on.")  # fmt: skip
        add(app, "GET /gateway/services", endpoint=self._services, summary="List services", tag=TAG,
            operation_id="listServices", scope="read", gives={200: shapes.ServicesShape})  # fmt: skip
        add(app, "GET /gateway/routes", endpoint=self._routes, summary="List routes", tag=TAG,
            operation_id="listRoutes", scope="read", gives={200: shapes.RoutesShape})  # fmt: skip

    async def _register(self, request: Request) -> Response:
        principal = allowed(request, "register")
        body = decoded(await call_of(request).body(self._max_body_bytes), RegisterBody)
        told = await self._doors.registry.register(principal, registration_of(body))
        secret = self._doors.signer.secret_of(told.name, site_id=principal.site_id)
        return answer(registered_shape(told, identity_secret=secret))

    async def _renew(self, request: Request, name: str) -> Response:
        return answer(lease_shape(self._doors.registry.renew(allowed(request, "register"), name)))

    async def _withdraw(self, request: Request, name: str) -> Response:
        await self._doors.registry.withdraw(allowed(request, "register"), name)
        return Response(status_code=204)

    async def _services(self, request: Request) -> Response:
        principal = allowed(request, "read")
        upstreams = self._doors.upstreams
        found = [
            service_shape(
                view,
                UNKNOWN if upstreams is None else upstreams.health(view.service.name),
                shows_addresses=_may_change(principal, view.service),
            )
            for view in self._visible(request, principal)
        ]
        return answer(shapes.ServicesShape(services=found))

    async def _routes(self, request: Request) -> Response:
        principal = allowed(request, "read")
        found = [
            route_shape(view.service, route, shows_addresses=_may_change(principal, view.service))
            for view in self._visible(request, principal)
            for route in view.service.routes
        ]
        return answer(shapes.RoutesShape(routes=found))

    def _visible(self, request: Request, principal: Principal) -> list[ServiceView]:
        sees_all = principal.may("admin") and b"x-site-id" not in call_of(request).headers
        return self._doors.registry.standing.views(None if sees_all else principal.site_id)


def _may_change(principal: Principal, service: Service) -> bool:
    return principal.may("admin") or (principal.may("register") and principal.site_id == service.site_id)
