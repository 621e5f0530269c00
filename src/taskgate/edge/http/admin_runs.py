"""Administrative endpoints of runs: list, cancel, retry, why, and dead letters.

Tenancy is the desk's to check; no endpoint reads a run past it.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from taskgate.edge.http import shapes
from taskgate.edge.http.admin import add, allowed, answer, call_of
from taskgate.edge.http.bodies import MAX_ITEMS, DeadBody
from taskgate.edge.http.described import Gives
from taskgate.edge.http.doors import Doors
from taskgate.edge.http.problems import members_of
from taskgate.edge.http.reading import decoded
from taskgate.edge.http.rendering import accepted_shape, run_shape, run_summary
from taskgate.errors import InvalidInput, TaskgateError
from taskgate.identity.principal import Principal
from taskgate.ids import is_id
from taskgate.runs.intake import Accepted
from taskgate.runs.ports import RunFilter
from taskgate.runs.run import Run, Status

TAG = "Runs"
DEAD = "Dead letters"


class DeadQuery(BaseModel):
    """Which dead letters are wanted."""

    model_config = ConfigDict(extra="forbid")

    task: Annotated[str, Field(max_length=128)] = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=36, description="`cursor` of the page before.")] = ""


class RunsQuery(DeadQuery):
    """Which runs are wanted."""

    status: Status | None = None
    label: Annotated[str, Field(max_length=400, description="`name=value`")] = ""
    dead: Annotated[bool, Field(description="Only failed runs that nobody retried.")] = False


class RunRoutes:
    """What callers do with runs besides submitting and reading them."""

    def __init__(self, doors: Doors, *, max_body_bytes: int) -> None:
        self._doors = doors
        self._max_body_bytes = max_body_bytes

    def add_to(self, app: FastAPI) -> None:
        """Serve them."""
        page: dict[int, Gives] = {200: shapes.RunsShape}
        add(app, "GET /v1/runs", endpoint=self._find, summary="List runs", tag=TAG,
            operation_id="listRuns", scope="read", gives=page)  # fmt: skip
        add(app, "POST /v1/runs/{run_id}/cancel", endpoint=self._cancel, summary="Cancel a run", tag=TAG,
            operation_id="cancelRun", scope="submit", gives={200: shapes.RunShape},
            description="At once and for good. 409 with the final `status` when the run has ended.")  # fmt: skip
        add(app, "POST /v1/runs/{run_id}/retry", endpoint=self._retry, summary="Run it again", tag=TAG,
            operation_id="retryRun", scope="submit", gives={202: shapes.AcceptedShape},
            description="A new run with the same input and `retry_of`; asked twice, the same new run.")  # fmt: skip
        add(app, "GET /v1/runs/{run_id}/why", endpoint=self._why, summary="Why is it not running?", tag=TAG,
            operation_id="whyRun", scope="read", gives={200: shapes.WhyShape})  # fmt: skip
        add(app, "GET /v1/dead", endpoint=self._dead, summary="List dead letters", tag=DEAD,
            operation_id="listDeadLetters", scope="read", gives=page,
            description="Failed runs that nobody retried, newest first.")  # fmt: skip
        add(app, "POST /v1/dead/retry", endpoint=self._retry_dead, summary="Run dead letters again", tag=DEAD,
            operation_id="retryDeadLetters", scope="submit", takes=DeadBody,
            gives={200: shapes.RetriedShape})  # fmt: skip
        add(app, "POST /v1/dead/purge", endpoint=self._purge_dead, summary="Delete dead letters", tag=DEAD,
            operation_id="purgeDeadLetters", scope="submit", takes=DeadBody, gives={200: shapes.PurgedShape},
            description="Their inputs, attempts and journals are deleted with them.")  # fmt: skip

    async def _find(self, request: Request, query: Annotated[RunsQuery, Query()]) -> Response:
        return await self._page(allowed(request, "read"), query)

    async def _dead(self, request: Request, query: Annotated[DeadQuery, Query()]) -> Response:
        wanted = RunsQuery(task=query.task, limit=query.limit, cursor=query.cursor, dead=True)
        return await self._page(allowed(request, "read"), wanted)

    async def _page(self, principal: Principal, query: RunsQuery) -> Response:
        if query.cursor and not is_id(query.cursor):
            raise InvalidInput("this cursor was not given by us", extra={"parameter": "cursor"})
        name, equals, value = query.label.partition("=")
        if query.label and not (name and equals):
            raise InvalidInput("a label is asked for as name=value", extra={"parameter": "label"})
        wanted = RunFilter(
            site_id=principal.site_id,
            task=query.task,
            status=query.status,
            label=(name, value) if query.label else None,
            dead=query.dead,
            limit=query.limit,
            cursor=query.cursor,
        )
        runs = await self._doors.desk.find(principal, wanted)
        cursor = runs[-1].id if len(runs) == query.limit else ""
        return answer(shapes.RunsShape(runs=[run_summary(run) for run in runs], cursor=cursor))

    async def _cancel(self, request: Request, run_id: str) -> Response:
        return answer(run_shape(await self._doors.desk.cancel(allowed(request, "submit"), run_id)))

    async def _retry(self, request: Request, run_id: str) -> Response:
        run = await self._doors.desk.retry(allowed(request, "submit"), run_id)
        return answer(_fresh(run), 202, location=f"/v1/runs/{run.id}")

    async def _why(self, request: Request, run_id: str) -> Response:
        why = await self._doors.explainer.why(allowed(request, "read"), run_id)
        reasons = [shapes.ReasonShape(code=reason.code, text=reason.text) for reason in why.reasons]
        return answer(shapes.WhyShape(id=why.run_id, status=why.status.value, waiting=why.waiting, reasons=reasons))

    async def _retry_dead(self, request: Request) -> Response:
        principal = allowed(request, "submit")
        call = call_of(request)
        body = decoded(await call.body(self._max_body_bytes), DeadBody)
        runs: list[shapes.AcceptedShape] = []
        refused: list[shapes.RefusedShape] = []
        for run_id in body.ids or await self._dead_ids(principal, body.task):
            try:
                runs.append(_fresh(await self._doors.desk.retry(principal, run_id)))
            except TaskgateError as error:
                problem = members_of(error, instance=call.path, trace_id=call.trace_id)
                refused.append(shapes.RefusedShape(id=run_id, error=problem))
        return answer(shapes.RetriedShape(runs=runs, refused=refused))

    async def _dead_ids(self, principal: Principal, task: str) -> list[str]:
        wanted = RunFilter(site_id=principal.site_id, task=task, dead=True, limit=MAX_ITEMS)
        return [run.id for run in await self._doors.desk.find(principal, wanted)]

    async def _purge_dead(self, request: Request) -> Response:
        principal = allowed(request, "submit")
        body = decoded(await call_of(request).body(self._max_body_bytes), DeadBody)
        purged = await self._doors.desk.purge_dead(principal, run_ids=body.ids, task=body.task)
        return answer(shapes.PurgedShape(purged=purged))


def _fresh(run: Run) -> shapes.AcceptedShape:
    return accepted_shape(Accepted(run, replayed=False))
