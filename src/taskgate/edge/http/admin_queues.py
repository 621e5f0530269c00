"""Queues, for those who scale workers: how much waits, for how long, and who could take it.

The answer is counted from the ledger, so every gateway of a cluster gives the same; workers are those that are
connected to the gateway that was asked. A caller counts the runs that it could list, and no others.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from taskgate.edge.http.admin import add, allowed, answer, call_of
from taskgate.edge.http.doors import Doors
from taskgate.edge.http.queue_shapes import QueueShape, QueuesShape, QueueTotals
from taskgate.identity.principal import Principal
from taskgate.runs.standings import QueueView

TAG = "Queues"


class QueuesQuery(BaseModel):
    """Which queues are wanted."""

    model_config = ConfigDict(extra="forbid")

    task: Annotated[str, Field(max_length=128, description="Queues of this task alone.")] = ""
    queue: Annotated[str, Field(max_length=600, description="This queue alone, by its `name`.")] = ""


class QueueRoutes:
    """Looking at queues."""

    def __init__(self, doors: Doors, *, max_body_bytes: int) -> None:
        self._doors = doors
        self._max_body_bytes = max_body_bytes

    def add_to(self, app: FastAPI) -> None:
        """Serve them."""
        add(app, "GET /v1/queues", endpoint=self._find, summary="How much waits in every queue", tag=TAG,
            operation_id="listQueues", scope="read", gives={200: QueuesShape},
            description="Made for scalers (KEDA `metrics-api`): with `?task=` or `?queue=` the one number is at "
            "`totals.depth`, and 0 where nothing waits, for tasks that nobody has submitted yet too. "
            "Counted at most every two seconds.")  # fmt: skip

    async def _find(self, request: Request, query: Annotated[QueuesQuery, Query()]) -> Response:
        principal = allowed(request, "read")
        views = await self._doors.watch.standings.of(principal, site_id=_site(request, principal))
        wanted = [
            view for view in views if query.task in ("", view.queue.task) and query.queue in ("", view.queue.text())
        ]
        return answer(QueuesShape(queues=list(map(_shape, wanted)), totals=_totals(wanted)))


def _site(request: Request, principal: Principal) -> str | None:
    """The site whose queues are shown, None for all."""
    sees_all = principal.may("admin") and not principal.user_id and b"x-site-id" not in call_of(request).headers
    return None if sees_all else principal.site_id


def _shape(view: QueueView) -> QueueShape:
    queue = view.queue
    return QueueShape(
        name=queue.text(),
        task=queue.task,
        version=queue.version,
        labels=dict(queue.labels),
        depth=view.depth,
        scheduled=view.scheduled,
        running=view.running,
        oldest_age_s=round(view.oldest_age_s, 3),
        workers=view.workers,
        slots_free=view.slots_free,
    )


def _totals(views: list[QueueView]) -> QueueTotals:
    return QueueTotals(
        depth=sum(view.depth for view in views),
        scheduled=sum(view.scheduled for view in views),
        running=sum(view.running for view in views),
        oldest_age_s=round(max((view.oldest_age_s for view in views), default=0.0), 3),
    )
