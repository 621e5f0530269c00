"""The hot endpoints of runs, as raw ASGI: submit, batch, read one, wait for many.

The principal was checked before; the scope is checked here before the body is read. Inputs travel as bytes.
A run is answered as accepted only after its commit: `Intake.submit` returns then and not before.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Raw, Struct

from taskgate.edge.http import asking, shapes
from taskgate.edge.http.bodies import MAX_ITEMS, BatchItem, SubmitBody, WaitBody
from taskgate.edge.http.call import Call
from taskgate.edge.http.doors import Doors
from taskgate.edge.http.live import Live
from taskgate.edge.http.patience import in_time
from taskgate.edge.http.problems import Header, members_of
from taskgate.edge.http.reading import decoded, encoded
from taskgate.edge.http.rendering import accepted_shape, epoch, run_shape
from taskgate.errors import InvalidInput, Malformed, NotFound, TaskgateError
from taskgate.ids import is_task_name
from taskgate.runs.intake import Accepted, Submission
from taskgate.runs.run import Run


class RunEndpoints:
    """Submit, batch, read and wait."""

    def __init__(self, doors: Doors, live: Live, *, max_body_bytes: int) -> None:
        self._doors = doors
        self._live = live
        self._max_body_bytes = max_body_bytes

    async def submit(self, call: Call, task: str) -> None:
        """`POST /v1/tasks/{task}/runs`: 202 with the accepted run, or 200 with the ended one (`Prefer: wait`)."""
        principal = asking.caller_of(call)
        principal.require("submit")
        _check_task_name(task)
        body = decoded(await call.body(self._max_body_bytes), SubmitBody)
        key = asking.idempotency_key_of(call.headers.get(b"idempotency-key"))
        wait_s = asking.preferred_wait_s(call.headers.get(b"prefer"))
        submission = submission_of(task, body, key=key, traceparent=call.traceparent)
        verdict = (await self._doors.intake.submit(principal, [submission], waits=wait_s is not None))[0]
        if isinstance(verdict, TaskgateError):
            raise verdict
        headers: list[Header] = [(b"location", f"/v1/runs/{verdict.run.id}".encode("ascii"))]
        if verdict.replayed:
            headers.append((b"idempotent-replayed", b"true"))
        if wait_s is not None:
            headers.append((b"preference-applied", b"wait=%d" % wait_s))
            ended = await self._end_of(call, verdict, wait_s)
            if ended is not None:
                await call.answer(200, encoded(run_shape(ended)), headers=headers)
                return
        await call.answer(202, encoded(accepted_shape(verdict)), headers=headers)

    async def batch(self, call: Call, task: str) -> None:
        """`POST /v1/tasks/{task}/runs/batch`: one verdict per item; accepted ones are durable together."""
        principal = asking.caller_of(call)
        principal.require("submit")
        _check_task_name(task)
        if b"idempotency-key" in call.headers:
            raise Malformed("in a batch every item has its own idempotency_key", code="KEY_PER_ITEM")
        items = decoded(await call.body(self._max_body_bytes), _RawBatch).items
        if not 1 <= len(items) <= MAX_ITEMS:
            raise InvalidInput(f"a batch has 1 to {MAX_ITEMS} items", extra={"path": "/items"})
        asked = [_item(task, item, traceparent=call.traceparent) for item in items]
        good = [item for item in asked if isinstance(item, Submission)]
        verdicts = iter(await self._doors.intake.submit(principal, good) if good else [])
        rows = [_row(call, next(verdicts) if isinstance(item, Submission) else item) for item in asked]
        accepted_count = sum(row.run is not None for row in rows)
        refused_count = len(rows) - accepted_count
        await call.answer(
            200, encoded(shapes.BatchShape(items=rows, accepted_count=accepted_count, refused_count=refused_count))
        )

    async def read(self, call: Call, run_id: str) -> None:
        """`GET /v1/runs/{id}`: the whole run, from history where the ledger has it no more."""
        principal = asking.caller_of(call)
        try:
            shape = run_shape(await in_time(self._doors.desk.get(principal, run_id)))
        except NotFound:
            shape = run_shape(await in_time(self._doors.past.history.get(principal, run_id)))
            shape.archived = True
        await call.answer(200, encoded(shape))

    async def wait(self, call: Call, _: str) -> None:
        """`POST /v1/runs/wait`: those that have ended, as soon as at least one has."""
        principal = asking.caller_of(call)
        principal.require("read")
        body = decoded(await call.body(self._max_body_bytes), WaitBody)
        ids = list(dict.fromkeys(body.ids))
        waiting = self._doors.desk.wait(principal, ids, timeout_s=min(body.timeout_s, asking.MAX_WAIT_S))
        ended: Sequence[Run] = await self._live.during(call, waiting) or ()
        await call.answer(200, encoded(shapes.EndedShape(runs=[run_shape(run) for run in ended])))

    async def _end_of(self, call: Call, accepted: Accepted, wait_s: float) -> Run | None:
        """The ended run, whole, None when it takes longer."""
        principal = asking.caller_of(call)
        if not principal.may("read"):
            return None
        if not accepted.replayed:
            return await self._live.during(call, self._doors.desk.wait_fresh(accepted, wait_s))
        found = await self._live.during(call, self._doors.desk.wait(principal, [accepted.run.id], timeout_s=wait_s))
        return found[0] if found else None


class _RawBatch(Struct, forbid_unknown_fields=True):
    """A batch whose items are judged one by one."""

    items: list[Raw]


def submission_of(task: str, body: SubmitBody, *, key: str, traceparent: str) -> Submission:
    """The domain's value of a submit body."""
    if body.callback_url is not None:
        raise InvalidInput("callbacks are not served yet", code="NOT_YET", extra={"path": "/callback_url"})
    return Submission(
        task=task,
        input=bytes(body.input),
        version=body.version,
        priority=body.priority,
        delay_s=body.delay_s,
        run_at=epoch(body.run_at),
        timeout_s=body.timeout_s,
        deadline_s=body.deadline_s,
        labels=tuple(sorted(body.labels.items())) if body.labels else (),
        idempotency_key=key,
        traceparent=traceparent,
    )


def _item(task: str, item: Raw, *, traceparent: str) -> Submission | TaskgateError:
    try:
        body = decoded(bytes(item), BatchItem)
        if body.idempotency_key is not None:
            asking.check_idempotency_key(body.idempotency_key)
        return submission_of(task, body, key=body.idempotency_key or "", traceparent=traceparent)
    except TaskgateError as error:
        return error


def _row(call: Call, verdict: Accepted | TaskgateError) -> shapes.Verdict:
    if isinstance(verdict, Accepted):
        return shapes.Verdict(status=202, run=accepted_shape(verdict))
    problem = members_of(verdict, instance=call.path, trace_id=call.trace_id)
    return shapes.Verdict(status=int(str(problem["status"])), error=problem)


def _check_task_name(task: str) -> None:
    if not is_task_name(task):
        raise NotFound("there is no such task", code="UNKNOWN_TASK")
