"""`GET /gateway/services` with several processes: what one of them knows of an upstream, the list tells."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.system.cluster import GatewayProcess
from tests.system.front_processes import WITHIN_S
from tests.system.test_fronts import calling, started, status_of

pytestmark = pytest.mark.system
ONCE = {"breaker": {"failures": 1, "open_s": 60.0}, "retry": {"count": 0}}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    yield from started(tmp_path)


@pytest.fixture
async def session(gateway: GatewayProcess) -> AsyncIterator[aiohttp.ClientSession]:
    async with calling(gateway) as made:
        yield made


async def test_what_any_process_knows_of_an_upstream_is_told(session: aiohttp.ClientSession) -> None:
    """Eight services are called once each, whoever takes the call: that it is always the gateway itself happens once in
    six thousand times."""
    names = [f"gone{number}" for number in range(8)]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        for name in names:
            route = {"name": "r", "method": "GET", "gateway_path": f"/{name}", "upstream_path": "/", "policy": ONCE}
            # an origin of its own, so that no call counts for another service
            base_url = f"http://127.0.0.{len(name) + int(name[-1])}:{closed.getsockname()[1]}"
            body = {"name": name, "base_url": base_url, "routes": [route], "lease_s": 0}
            async with session.post("/gateway/register", json=body) as answer:
                assert answer.status == 200, await answer.text()
        deadline = time.monotonic() + WITHIN_S
        for name in names:
            while (status := await status_of(session, f"/{name}")) == 404:
                assert time.monotonic() < deadline, f"{name} is not routed"
            assert status == 502
            while (health := await health_of(session, name))["failures"] != 1:
                assert time.monotonic() < deadline, health
                await asyncio.sleep(0.1)
            assert (health["state"], health["last_error"] != "") == ("open", True)
    for name in names:
        async with session.delete(f"/gateway/services/{name}") as answer:
            assert answer.status == 204


async def health_of(session: aiohttp.ClientSession, name: str) -> dict[str, Any]:
    async with session.get("/gateway/services") as answer:
        services = {service["name"]: service for service in (await answer.json())["services"]}
    health: dict[str, Any] = services[name]["health"]
    return health
