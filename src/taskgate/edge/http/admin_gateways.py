"""Gateways, for those who operate several: which are alive, what each leads, how many workers are linked to it.

An administrator's reading: names of hosts, and how busy all tenants together are.
"""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from taskgate.edge.http.admin import add, allowed, answer
from taskgate.edge.http.doors import Doors
from taskgate.edge.http.gateway_shapes import GatewayShape, GatewaysShape
from taskgate.edge.http.rendering import moment
from taskgate.fleet.gateways import GatewayView

TAG = "Gateways"


class GatewayRoutes:
    """Looking at gateways."""

    def __init__(self, doors: Doors, *, max_body_bytes: int) -> None:
        self._gateways = doors.watch.gateways

    def add_to(self, app: FastAPI) -> None:
        """Serve it."""
        add(app, "GET /v1/gateways", endpoint=self._all, summary="List gateways", tag=TAG,
            operation_id="listGateways", scope="admin", gives={200: GatewaysShape},
            description="Those that share this one's database and Redis, as they were some seconds ago, and this one; "
            "one that died is listed for ten seconds more. `status` is `serving` or `leaving`. `leads` names duties "
            "that one gateway has at a time; one that is done now and then (`journals`) is nobody's in between. "
            "`complete` is false while Redis is away.")  # fmt: skip

    async def _all(self, request: Request) -> Response:
        allowed(request, "admin")
        views = await self._gateways.all()
        return answer(GatewaysShape(gateways=list(map(_shape, views)), complete=self._gateways.is_complete))


def _shape(view: GatewayView) -> GatewayShape:
    return GatewayShape(
        id=view.id,
        host=view.host,
        version=view.version,
        started_at=moment(view.started_at),
        status="leaving" if view.leaving else "serving",
        leads=list(view.leads),
        processes=view.processes,
        workers=view.workers,
        running=view.running,
        here=view.here,
    )
