"""An application with the two lines, served by uvicorn in the tests of services."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

import taskgate.service
from taskgate.errors import Unauthenticated

app = FastAPI(title="Two lines")
registration = taskgate.service.register(app, prefix="/v1/two")


@app.get("/echo/{word}", summary="Say it again")
async def echo(word: str, request: Request, response: Response) -> dict[str, str]:
    """What was said; the site of the caller where the gateway vouches for it."""
    try:
        identity = taskgate.service.verify_identity(request.headers, registration.identity_secret)
        response.headers["Proved-Site"] = identity.site_id
    except Unauthenticated as error:
        response.headers["Proved-Site"] = error.code
    return {"word": word}
