"""Calls that become runs: a route, or a fallback, that points at a task.

The same checks, tenancy and rendering as `POST /v1/tasks/{task}/runs` with `Prefer: wait`, with the body itself as
the run's input. A caller that hangs up stops waiting; its run goes on, and the same key finds it again.
"""

from __future__ import annotations

from msgspec import Raw

from taskgate.edge.http.asking import check_idempotency_key
from taskgate.edge.http.call import GUARDS, JSON
from taskgate.edge.http.live import Live
from taskgate.edge.http.reading import decoded, encoded
from taskgate.edge.http.rendering import accepted_shape, run_shape
from taskgate.errors import NotFound, TaskgateError
from taskgate.identity.principal import Principal
from taskgate.ids import is_task_name
from taskgate.routes.ports import RunAnswer
from taskgate.runs.desk import Desk
from taskgate.runs.intake import Accepted, Intake, Submission
from taskgate.runs.run import Run

NULL = b"null"


class TaskDoor:
    """RunDoor over intake and desk. `live` ends the waits of revoked keys, and all of them when it closes."""

    def __init__(self, intake: Intake, desk: Desk, *, live: Live) -> None:
        self._intake = intake
        self._desk = desk
        self._live = live

    async def perform(
        self, principal: Principal, task: str, *, body: bytes, key: str, wait_s: float, traceparent: str
    ) -> RunAnswer:
        """Submit and wait. An empty body is the input null; Malformed for a body that is not JSON."""
        if not is_task_name(task):
            raise NotFound("there is no such task", code="UNKNOWN_TASK")
        content = body if body.strip() else NULL
        decoded(content, Raw)
        if key:
            check_idempotency_key(key)
        submission = Submission(task=task, input=content, idempotency_key=key, traceparent=traceparent)
        verdict = (await self._intake.submit(principal, [submission], waits=wait_s > 0))[0]
        if isinstance(verdict, TaskgateError):
            raise verdict
        headers = [(b"content-type", JSON), *GUARDS, (b"location", f"/v1/runs/{verdict.run.id}".encode("ascii"))]
        if verdict.replayed:
            headers.append((b"idempotent-replayed", b"true"))
        ended = await self._end_of(principal, verdict, wait_s)
        if ended is not None:
            return RunAnswer(status=200, headers=tuple(headers), body=encoded(run_shape(ended)))
        return RunAnswer(status=202, headers=tuple(headers), body=encoded(accepted_shape(verdict)))

    async def _end_of(self, principal: Principal, accepted: Accepted, wait_s: float) -> Run | None:
        """The ended run, None when it takes longer, may not be read, or the gateway closes."""
        if wait_s <= 0 or not principal.may("read"):
            return None
        if not accepted.replayed:
            return await self._live.during_key(principal, self._desk.wait_fresh(accepted, wait_s))
        waiting = self._desk.wait(principal, [accepted.run.id], timeout_s=wait_s)
        found = await self._live.during_key(principal, waiting)
        return found[0] if found else None
