"""A FastAPI service that registers itself: `add` answers directly, the others queue a run and answer 202 with its id.

What cannot be computed is refused with 422 before anything is queued. Without a gateway it still adds.
"""

from __future__ import annotations

import math
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException, Request, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

import taskgate.service
from taskgate import AsyncClient
from taskgate.client import Patience
from taskgate.errors import CallerError, NotFound, NotNow

BASE_URL = "http://127.0.0.1:8082"
LARGEST_EXPONENT = 1000
DIGITS = 308  # what a float holds

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", description="The same key again gives the same run.")]


class Pair(BaseModel):
    """Two numbers."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"a": 6, "b": 7}]})
    a: Number
    b: Number


class Power(BaseModel):
    """A number and how often it is multiplied with itself."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"base": 2, "exp": 10}]})
    base: Number
    exp: Annotated[int, Field(strict=True, ge=-LARGEST_EXPONENT, le=LARGEST_EXPONENT)]


class Entity(BaseModel):
    """Something to work on for a while."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"entity": "orders-2024"}]})
    entity: Annotated[str, Field(min_length=1, max_length=200)]


class Result(BaseModel):
    """The answer."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"result": 13}]})
    result: float


class Queued(BaseModel):
    """A run that was accepted: follow it at the gateway under /v1/runs/{task_id}."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"task_id": "01jd3v0e8kq4x6t2m9w5", "status": "queued"}]})
    task_id: str
    status: str


@asynccontextmanager
async def _with_client(app: FastAPI) -> AsyncIterator[None]:
    """The gateway's client for as long as the service runs; None where there is no gateway."""
    url = os.environ.get("GATEWAY_URL")
    if not url:
        app.state.gateway = None
        yield
        return
    async with AsyncClient(url, patience=Patience(total_s=5.0)) as app.state.gateway:
        yield


app = FastAPI(title="Math service", version="1.0.0", lifespan=_with_client)
taskgate.service.register(
    app,
    name=os.environ.get("SERVICE_NAME", "math"),
    base_url=os.environ.get("SERVICE_BASE_URL", BASE_URL),
    policy={"timeouts": {"first_byte_s": 10.0}, "max_body_bytes": 65_536},
    expose={
        "/api/add": {
            "gateway_path": "/v1/ai/math/add",
            "policy": {"rate_limits": [{"rate": 50.0, "burst": 100.0}], "repeatable": True},
        },
        "/api/multiply/queue": "/v1/ai/math/multiply",
        "/api/power/queue": "/v1/ai/math/power",
        "/api/background_task": "/v1/ai/math/background_task",
    },
)


@app.exception_handler(RequestValidationError)
async def refused(_: Request, error: RequestValidationError) -> JSONResponse:
    """FastAPI's own refusal without the input: a NaN in it could not be told as JSON."""
    detail = [{name: found[name] for name in ("type", "loc", "msg")} for found in error.errors()]
    return JSONResponse({"detail": detail}, status.HTTP_422_UNPROCESSABLE_CONTENT)


@app.get("/healthz", summary="Is it there?")
async def healthz() -> dict[str, str]:
    """Whether the service runs."""
    return {"status": "ok"}


@app.post("/api/add", summary="Add two numbers", tags=["math"])
async def add(pair: Pair) -> Result:
    """The sum, at once."""
    return Result(result=_finite(pair.a + pair.b, "the sum"))


@app.post("/api/multiply/queue", status_code=status.HTTP_202_ACCEPTED, summary="Multiply, queued", tags=["math"])
async def multiply(pair: Pair, request: Request, *, key: Key = None) -> Queued:
    """A worker multiplies; the answer names the run."""
    _finite(pair.a * pair.b, "the product")
    return await _queue(request, "math.multiply", pair, key=key)


@app.post("/api/power/queue", status_code=status.HTTP_202_ACCEPTED, summary="Raise to a power, queued", tags=["math"])
async def power(asked: Power, request: Request, *, key: Key = None) -> Queued:
    """A worker raises `base` to `exp`; what no float holds is refused."""
    if asked.base == 0 and asked.exp < 0:
        raise _unprocessable("zero has no negative power", "exp")
    if asked.base != 0 and asked.exp * math.log10(abs(asked.base)) >= DIGITS:
        raise _unprocessable("the power is larger than a number can be", "exp")
    return await _queue(request, "math.power", asked, key=key)


@app.post(
    "/api/background_task", status_code=status.HTTP_202_ACCEPTED, summary="Work with progress, queued", tags=["math"]
)
async def background_task(asked: Entity, request: Request, *, key: Key = None) -> Queued:
    """A worker takes its time and tells how far it is."""
    return await _queue(request, "math.background_task", asked, key=key)


async def _queue(request: Request, task: str, value: BaseModel, *, key: str | None) -> Queued:
    client: AsyncClient | None = request.app.state.gateway
    if client is None:
        raise HTTPException(status.HTTP_503_SERVICE_UNAVAILABLE, "GATEWAY_URL is not set: nobody could do this")
    try:
        run = await client.submit(task, value.model_dump(), idempotency_key=key or None)
    except NotNow as error:
        after = {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}
        raise HTTPException(status.HTTP_503_SERVICE_UNAVAILABLE, str(error), headers=after) from error
    except NotFound as error:
        detail = f"no worker has announced {task} yet: {error}"
        raise HTTPException(status.HTTP_503_SERVICE_UNAVAILABLE, detail, headers={"Retry-After": "5"}) from error
    except CallerError as error:
        raise HTTPException(status.HTTP_502_BAD_GATEWAY, str(error)) from error
    return Queued(task_id=run.id, status=run.status)


def _finite(value: float, what: str) -> float:
    if not math.isfinite(value):
        raise _unprocessable(f"{what} is larger than a number can be", "b")
    return value


def _unprocessable(message: str, member: str) -> HTTPException:
    """A refusal in the form in which FastAPI refuses."""
    detail: list[dict[str, Any]] = [{"type": "value_error", "loc": ["body", member], "msg": message}]
    return HTTPException(status.HTTP_422_UNPROCESSABLE_CONTENT, detail)
