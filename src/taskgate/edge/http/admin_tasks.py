"""Administrative endpoints of tasks and workers: definitions, who is connected, drain.

A caller sees the tasks of its own site and those of every site; only an operator sees workers of all sites.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import FastAPI, Query, Request, Response

from taskgate.edge.http import shapes
from taskgate.edge.http.admin import add, allowed, answer, call_of
from taskgate.edge.http.bodies import TaskBody
from taskgate.edge.http.doors import Doors
from taskgate.edge.http.reading import decoded
from taskgate.edge.http.rendering import task_shape, worker_shape
from taskgate.errors import NotFound
from taskgate.ids import is_task_name, is_worker_id
from taskgate.runs.task import Target, TaskDefinition, TaskLimits

TASKS = "Tasks"
WORKERS = "Workers"
Version = Annotated[str, Query(max_length=128, description="Empty means the declared one, the newest of several.")]


class TaskRoutes:
    """Definitions and the workers that serve them."""

    def __init__(self, doors: Doors, *, max_body_bytes: int) -> None:
        self._doors = doors
        self._max_body_bytes = max_body_bytes

    def add_to(self, app: FastAPI) -> None:
        """Serve them."""
        add(app, "GET /v1/tasks", endpoint=self._all, summary="List tasks", tag=TASKS,
            operation_id="listTasks", scope="read", gives={200: shapes.TasksShape})  # fmt: skip
        add(app, "GET /v1/tasks/{task}", endpoint=self._read, summary="Show a task", tag=TASKS,
            operation_id="readTask", scope="read", gives={200: shapes.TaskShape})  # fmt: skip
        add(app, "PUT /v1/tasks/{task}", endpoint=self._declare, summary="Declare a task", tag=TASKS,
            operation_id="declareTask", scope="tasks:write", takes=TaskBody, gives={200: shapes.TaskShape},
            description="Runs that were accepted before go on under the definition they were accepted with. A key "
            "that serves every site (`serve:*`) declares it for all of them, any other for its own.")  # fmt: skip
        add(app, "DELETE /v1/tasks/{task}", endpoint=self._withdraw, summary="Take a definition back", tag=TASKS,
            operation_id="withdrawTask", scope="tasks:write", gives={204: "It can be submitted no more."},
            description="All versions, or one. Its runs go on.")  # fmt: skip
        add(app, "GET /gateway/workers", endpoint=self._workers, summary="List workers", tag=WORKERS,
            operation_id="listWorkers", scope="read", gives={200: shapes.WorkersShape})  # fmt: skip
        add(app, "POST /gateway/workers/{worker_id}/drain", endpoint=self._drain, summary="Drain a worker",
            tag=WORKERS, operation_id="drainWorker", scope="admin", gives={202: "It was asked."},
            description="It finishes what it holds, takes nothing new and leaves.")  # fmt: skip

    async def _all(self, request: Request) -> Response:
        principal = allowed(request, "read")
        found = self._doors.definitions.visible(principal.site_id)
        return answer(shapes.TasksShape(tasks=[task_shape(definition) for definition in found]))

    async def _read(self, request: Request, task: str, version: Version = "") -> Response:
        principal = allowed(request, "read")
        known = self._doors.definitions.known(principal.site_id, task, version=version) if is_task_name(task) else None
        if known is None:
            raise NotFound("there is no such task", code="UNKNOWN_TASK")
        return answer(task_shape(known.definition))

    async def _declare(self, request: Request, task: str) -> Response:
        principal = allowed(request, "tasks:write")
        body = decoded(await call_of(request).body(self._max_body_bytes), TaskBody)
        definition = TaskDefinition(
            name=task,
            version=body.version,
            description=body.description,
            input_schema=_copied(body.input_schema),
            output_schema=_copied(body.output_schema),
            examples=[msgspec.Raw(bytes(example)) for example in body.examples],
            targets=[Target(**msgspec.structs.asdict(target)) for target in body.targets],
            limits=TaskLimits(**msgspec.structs.asdict(body.limits)),
        )
        return answer(task_shape(await self._doors.declarations.declare(principal, definition)))

    async def _withdraw(self, request: Request, task: str, version: Version = "") -> Response:
        await self._doors.declarations.withdraw(allowed(request, "tasks:write"), task, version=version)
        return Response(status_code=204)

    async def _workers(self, request: Request) -> Response:
        principal = allowed(request, "read")
        sees_all = principal.may("admin") and b"x-site-id" not in call_of(request).headers
        views = await self._doors.fleet.workers(None if sees_all else principal.site_id)
        return answer(shapes.WorkersShape(workers=[worker_shape(view) for view in views]))

    async def _drain(self, request: Request, worker_id: str) -> Response:
        principal = allowed(request, "admin")
        if not is_worker_id(worker_id):
            raise NotFound("there is no such worker", code="UNKNOWN_WORKER")
        sees_all = b"x-site-id" not in call_of(request).headers
        await self._doors.fleet.drain(worker_id, site_id=None if sees_all else principal.site_id)
        return Response(b"{}", status_code=202, media_type="application/json")


def _copied(schema: msgspec.Raw | None) -> msgspec.Raw | None:
    """The schema apart from the body it came in; JSON's null is no schema."""
    return None if schema is None or bytes(schema) == b"null" else msgspec.Raw(bytes(schema))
