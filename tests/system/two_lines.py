"""An application with the two lines, served by uvicorn in the tests of services."""

from __future__ import annotations

from fastapi import FastAPI

import taskgate.service

app = FastAPI(title="Two lines")
taskgate.service.register(app, prefix="/v1/two")


@app.get("/echo/{word}", summary="Say it again")
async def echo(word: str) -> dict[str, str]:
    """What was said."""
    return {"word": word}
