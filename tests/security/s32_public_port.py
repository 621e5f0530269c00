"""S32: what the public port shows to strangers: health without versions, the shell of /docs, and nothing else."""

from __future__ import annotations

import pytest

from taskgate import __version__
from tests.edge.http.house import House

pytestmark = pytest.mark.security

PRIVATE = [
    "/openapi.json", "/redoc", "/docs/oauth2-redirect", "/v1/keys", "/v1/tasks", "/v1/runs", "/v1/dead",
    "/gateway/workers", "/metrics", "/debug", "/debug/pprof", "/debug/vars", "/actuator", "/env", "/.env",
    "/.git/config", "/server-status", "/admin", "/console", "/api", "/graphql", "/swagger.json", "/v1/openapi.json",
    "/docs/page.html", "/docs/../assets", "/health/startup", "/health/..", "/Health", "/docs/",
]  # fmt: skip


@pytest.mark.parametrize("path", PRIVATE)
async def test_strangers_see_nothing(house: House, path: str) -> None:
    """INV-A4: the same 401 for what exists and what does not."""
    reply = await house.ask("GET", path)
    assert (reply.status, reply.code) == (401, "UNAUTHENTICATED")
    assert __version__ not in reply.body.decode()


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "TRACK", "DEBUG", "get", "GETS", "PROPFIND", "X" * 500])
@pytest.mark.parametrize("path", ["/health", "/v1/runs", "/docs", "*"])
async def test_other_methods_are_refused(house: House, method: str, path: str) -> None:
    """TRACE echoes nothing; unknown methods are told which ones there are."""
    headers = [("X-Secret", "echo-me")]
    reply = await house.ask(method, path, headers=headers)
    assert reply.status == 405
    assert "echo-me" not in reply.body.decode() + str(reply.raw_headers)
    assert "TRACE" not in reply.headers["allow"]


async def test_options_tells_strangers_nothing(house: House) -> None:
    for path in ("/v1/runs", "/v1/keys", "*"):
        reply = await house.ask("OPTIONS", path)
        assert reply.status == 401
        assert "allow" not in reply.headers


async def test_no_version_leaves_the_door(house: House) -> None:
    for path in ("/health", "/health/live", "/health/ready", "/docs", "/docs/page.js", "/v1/runs", "/nowhere"):
        reply = await house.ask("GET", path)
        shown = reply.body.decode("utf-8", "replace") + str(reply.raw_headers)
        assert __version__ not in shown
        assert "server" not in reply.headers
        assert "x-powered-by" not in reply.headers
        for name in ("uvicorn", "fastapi", "python/", "starlette"):
            assert name not in shown.lower()
