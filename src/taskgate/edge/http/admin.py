"""The administrative API: FastAPI without its own pages, behind the gate.

Endpoints check their scope before they read a body, and answer with shapes. Whatever goes wrong in here comes
out as a problem document, FastAPI's own refusals too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from taskgate.audit.recording import Audit
from taskgate.edge.http.asking import caller_of
from taskgate.edge.http.auditing import audited
from taskgate.edge.http.call import Call
from taskgate.edge.http.described import Gives, described
from taskgate.edge.http.problems import encode_problem
from taskgate.edge.http.reading import encoded
from taskgate.errors import InvalidInput, NotFound, TaskgateError, WrongMethod
from taskgate.identity.principal import Principal

CALL = "taskgate.call"
Endpoint = Callable[..., Awaitable[Response]]


def build_admin(audit: Audit) -> FastAPI:
    """An application without routes; the documents are ours, so its own are off. Deeds are told to `audit`."""
    app = FastAPI(title="taskgate", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.audit = audit
    app.add_exception_handler(TaskgateError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _not_routed)
    app.add_exception_handler(Exception, _broken)
    return app


def add(
    app: FastAPI,
    served: str,
    *,
    endpoint: Endpoint,
    summary: str,
    tag: str,
    operation_id: str,
    scope: str,
    gives: Mapping[int, Gives],
    takes: type | None = None,
    description: str = "",
) -> None:
    """Serve an endpoint and describe it; `served` is method and path, as in `GET /v1/keys`."""
    method, _, path = served.partition(" ")
    told = described(
        summary=summary,
        tag=tag,
        operation_id=operation_id,
        scope=scope,
        gives=gives,
        takes=takes,
        description=description,
    )
    endpoint = audited(endpoint, operation_id, scope=scope, call_of=call_of)
    app.add_api_route(path, endpoint, methods=[method], response_model=None, openapi_extra=told)


def call_of(request: Request) -> Call:
    """The call that the gate let in."""
    call: Call = request.scope[CALL]
    return call


def allowed(request: Request, scope: str) -> Principal:
    """Who calls, if it has the scope; Forbidden otherwise."""
    principal = caller_of(call_of(request))
    if scope:
        principal.require(scope)
    return principal


def answer(shape: Any, status: int = 200, *, location: str = "") -> Response:
    """A shape as an answer."""
    headers = {"Location": location} if location else None
    return Response(encoded(shape), status_code=status, media_type="application/json", headers=headers)


def _problem(request: Request, error: TaskgateError) -> Response:
    call = call_of(request)
    status, body, headers = encode_problem(error, instance=call.path, trace_id=call.trace_id)
    told = {name.decode("ascii"): value.decode("ascii") for name, value in headers}
    return Response(body, status_code=status, media_type="application/problem+json", headers=told)


async def _refused(request: Request, error: Exception) -> Response:
    return _problem(request, error if isinstance(error, TaskgateError) else TaskgateError())


async def _invalid(request: Request, error: Exception) -> Response:
    flaws = error.errors() if isinstance(error, RequestValidationError) else []
    flaw = flaws[0] if flaws else {"loc": (), "msg": "not valid"}
    name = ".".join(str(part) for part in flaw["loc"][1:])
    return _problem(request, InvalidInput(f"{name}: {flaw['msg']}", extra={"parameter": name[:64]}))


async def _not_routed(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    allow = (error.headers or {}).get("Allow", "") if isinstance(error, HTTPException) else ""
    if status == 405:
        return _problem(request, WrongMethod(f"{request.method} is not known here", extra={"allow": allow}))
    return _problem(request, NotFound("there is nothing at this address", code="NO_SUCH_ADDRESS"))


async def _broken(request: Request, _: Exception) -> Response:
    return _problem(request, TaskgateError("something went wrong in the gateway; the trace id finds it in the logs"))
