"""Which operations are deeds, and how each is told to the audit log: the one place for all of them.

A deed's endpoint is wrapped where it is added to the application. Of what it answered only the members named here are
written down, never the whole, so that no secret can slip in (INV-A6). An endpoint that answers nothing may say what it
was about in `request.state.told`. A deed that needs no scope has a pace for each credential, so that nobody who may do
nothing else fills the log.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi import Request, Response

from taskgate.audit.entry import Deed
from taskgate.audit.recording import Audit, actor_of
from taskgate.edge.http.asking import caller_of
from taskgate.edge.http.call import Call
from taskgate.errors import Limited, TaskgateError
from taskgate.identity.principal import Principal
from taskgate.limits.bucket import Buckets, Rate

Endpoint = Callable[..., Awaitable[Response]]
PACE = Rate(rate=20.0, burst=200.0)


@dataclass(frozen=True, slots=True)
class Told:
    """How an operation is told: its action, and which members of its answer are worth keeping."""

    action: str
    members: tuple[str, ...] = ()


_KEY = ("id", "name", "kind", "scopes", "site_id", "user_id", "app_id", "prefixes", "expires_at", "rotated_from")
DEEDS: dict[str, Told] = {
    "createKey": Told("key.create", _KEY),
    "revokeKey": Told("key.revoke"),
    "rotateKey": Told("key.rotate", _KEY),
    "createToken": Told("token.create", ("id", "kind", "subject", "scopes", "site_id", "worker_id", "expires_at")),
    "revokeToken": Told("token.revoke"),
    "joinWorker": Told("worker.join", _KEY),
    "registerService": Told("service.register", ("service", "lease_s")),
    "withdrawService": Told("service.withdraw"),
    "declareTask": Told("task.declare", ("name", "version", "shared")),
    "withdrawTask": Told("task.withdraw"),
    "drainWorker": Told("worker.drain"),
    "cancelRun": Told("run.cancel", ("id", "task", "status")),
    "retryRun": Told("run.retry", ("id", "task")),
    "retryDeadLetters": Told("dead.retry"),
    "purgeDeadLetters": Told("dead.purge", ("purged",)),
    "createCapability": Told("capability.create", ("capability_name", "enabled")),
}


def audited(endpoint: Endpoint, operation_id: str, *, scope: str, call_of: Callable[[Request], Call]) -> Endpoint:
    """The endpoint, telling the audit log of its deed; itself where it is none."""
    told = DEEDS.get(operation_id)
    if told is None:
        return endpoint
    paces = Buckets(PACE)

    @functools.wraps(endpoint)
    async def watched(request: Request, **given: Any) -> Response:
        audit: Audit = request.app.state.audit
        deed = _deed(audit, told, call_of(request), subject="/".join(map(str, request.path_params.values())))
        principal = caller_of(call_of(request))
        if not scope:
            _pace(paces, principal)
        if scope and not principal.may(scope):
            await audit.denied(deed)
            principal.require(scope)
        await audit.write(deed, "begun")
        try:
            response = await endpoint(request, **given)
        except TaskgateError as error:
            await audit.write(deed, "refused", detail={"code": error.code})
            raise
        except Exception as error:
            await audit.write(deed, "failed", detail={"error": type(error).__name__})
            raise
        detail = {**_members(response, told.members), **getattr(request.state, "told", {})}
        await audit.write(_named(deed, detail), "done", detail=detail)
        return response

    return watched


def _pace(paces: Buckets, principal: Principal) -> None:
    wait_s = paces.take(principal.id, asyncio.get_running_loop().time())
    if wait_s > 0:
        raise Limited("this credential asks for too much at once", retry_after_s=wait_s)


def _deed(audit: Audit, told: Told, call: Call, *, subject: str) -> Deed:
    client = call.scope.get("client")
    actor = actor_of(caller_of(call), client[0] if client else "")
    return audit.deed(told.action, actor, subject=subject, request_id=call.request_id.decode("latin-1"))


def _members(response: Response, members: tuple[str, ...]) -> dict[str, Any]:
    """The named members of an answer that have something to say."""
    if not members or not response.body:
        return {}
    told = msgspec.json.decode(response.body)
    return {name: told[name] for name in members if told.get(name) not in (None, "", [], {})}


def _named(deed: Deed, detail: dict[str, Any]) -> Deed:
    """A deed that made something is about that."""
    if deed.subject:
        return deed
    subject = next(
        (
            detail[name]
            for name in ("id", "token_id", "subject", "service", "name", "capability_name")
            if name in detail
        ),
        "",
    )
    return msgspec.structs.replace(deed, subject=str(subject))
