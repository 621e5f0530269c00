"""The proxy that tutorials show: a FastAPI route that hands every request on through one httpx client."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request
from starlette.background import BackgroundTask
from starlette.responses import StreamingResponse

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host"}
UPSTREAM = os.environ["BENCH_UPSTREAM"]


@asynccontextmanager
async def life(app: FastAPI) -> AsyncIterator[None]:
    limits = httpx.Limits(max_connections=256, max_keepalive_connections=256)
    async with httpx.AsyncClient(base_url=UPSTREAM, limits=limits, timeout=60) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=life)


@app.api_route("/plain/{path:path}", methods=["GET", "POST"])
async def forward(path: str, request: Request) -> StreamingResponse:
    """One request on, its answer back, both streamed."""
    headers = [(name, value) for name, value in request.headers.items() if name not in HOP_BY_HOP]
    content = request.stream() if request.method == "POST" else None
    asked = app.state.client.build_request(request.method, f"/{path}", headers=headers, content=content)
    answer = await app.state.client.send(asked, stream=True)
    kept = {name: value for name, value in answer.headers.items() if name not in HOP_BY_HOP}
    return StreamingResponse(
        answer.aiter_raw(), answer.status_code, headers=kept, background=BackgroundTask(answer.aclose)
    )
