"""Credentials that a front does not know go to the gateway and mean there what they mean without fronts (INV-A1, A5).

Every look is made over many fresh connections, so that both fronts and the gateway answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web

from taskgate.testing.authority import Authority
from tests.system.cluster import GatewayProcess
from tests.system.front_processes import until_true
from tests.system.test_fronts import register, started

pytestmark = pytest.mark.system
LOOKS = 24
GPU = "spiffe://mesh.example/site/acme/worker/gpu-1"
PEM = Authority(now=time.time()).leaf([GPU]).pem.decode()
RULES = "/site/{site}/worker/{worker} = worker worker read"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    yield from started(
        tmp_path_factory.mktemp("credentials"),
        TASKGATE_AUTH__TRUST_DOMAIN="mesh.example",
        TASKGATE_AUTH__CERTIFICATE_RULES=RULES,
        TASKGATE_AUTH__CERTIFICATE_PROXIES="127.0.0.2/32",
    )


@pytest.fixture
async def admin(gateway: GatewayProcess) -> AsyncIterator[aiohttp.ClientSession]:
    async with called_from("127.0.0.1", gateway, {"X-API-Key": gateway.admin_key}) as made:
        yield made


@pytest.fixture
async def upstream() -> AsyncIterator[int]:
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(text="here")

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][1]
    await runner.cleanup()


def called_from(address: str, gateway: GatewayProcess, headers: dict[str, str]) -> aiohttp.ClientSession:
    """Calls from one of this machine's addresses, each over a connection of its own."""
    connector = aiohttp.TCPConnector(force_close=True, local_addr=(address, 0))
    return aiohttp.ClientSession(gateway.url, connector=connector, headers=headers)


async def answers(gateway: GatewayProcess, path: str, headers: dict[str, str], *, address: str) -> set[int]:
    """What is answered by whichever process takes the connection."""
    async with called_from(address, gateway, headers) as session:

        async def once() -> int:
            async with session.get(path) as answer:
                await answer.read()
                return answer.status

        return set(await asyncio.gather(*(once() for _ in range(LOOKS))))


async def made_token(admin: aiohttp.ClientSession, **members: object) -> dict[str, str]:
    async with admin.post("/v1/tokens", json=members) as answer:
        assert answer.status == 201, await answer.text()
        told: dict[str, str] = await answer.json()
        return told


async def test_inv_a5_a_token_at_every_process(
    gateway: GatewayProcess, admin: aiohttp.ClientSession, upstream: int
) -> None:
    """Good at all of them for a proxied route and for the gateway's own; bad at all of them as soon as it is taken
    back; a forged one nowhere."""
    await register(admin, upstream, routes=[{"method": "GET", "path": "/health"}])
    told = await made_token(admin)
    good = {"Authorization": f"Bearer {told['token']}"}
    for path in ("/v1/runs", "/v1/many/health"):
        assert await answers(gateway, path, good, address="127.0.0.1") == {200}, path
    forged = {"Authorization": f"Bearer {told['token'][:-4]}AAAA"}
    for path in ("/v1/runs", "/v1/many/health"):
        assert await answers(gateway, path, forged, address="127.0.0.9") <= {401, 429}
    async with admin.post("/v1/tokens/revoke", json={"token_id": told["id"]}) as answer:
        assert answer.status == 204
    for path in ("/v1/runs", "/v1/many/health"):
        assert await answers(gateway, path, good, address="127.0.0.8") <= {401, 429}


async def test_s16_a_certificate_that_nobody_may_tell(gateway: GatewayProcess) -> None:
    """The front believes the configured peer alone; twins, doubles and whoever calls are as without fronts."""
    cert = quote(PEM, safe="")
    for headers in ({"X-Forwarded-Client-Cert": f"URI={GPU}"}, {"X-Forwarded-Client-Cert": f'Cert="{cert}"'}):
        assert await answers(gateway, "/v1/runs", headers, address="127.0.0.2") == {200}
        assert await answers(gateway, "/v1/runs", headers, address="127.0.0.3") <= {401, 429}
        twin = {"X_Forwarded_Client_Cert": headers["X-Forwarded-Client-Cert"]}
        for address in ("127.0.0.2", "127.0.0.4"):
            assert await answers(gateway, "/v1/runs", twin, address=address) <= {401, 429}
    double = {"X-Forwarded-Client-Cert": f"URI={GPU},URI={GPU}"}
    assert await answers(gateway, "/v1/runs", double, address="127.0.0.2") <= {401, 429}


async def test_s21_who_fails_at_a_front_fails_for_itself_alone(
    gateway: GatewayProcess, admin: aiohttp.ClientSession
) -> None:
    """The gateway counts callers, not the front that handed them on: a token that it never saw is good elsewhere."""
    seen: set[int] = set()

    async def flood() -> None:
        while True:
            seen.update(await answers(gateway, "/v1/runs", {"X-API-Key": "x.y.z"}, address="127.0.0.5"))

    flooding = asyncio.create_task(flood())
    await until_true(lambda: 429 in seen)
    for _ in range(4):
        fresh = {"X-API-Key": (await made_token(admin))["token"]}
        assert await answers(gateway, "/v1/runs", fresh, address="127.0.0.6") == {200}
    flooding.cancel()
    await asyncio.gather(flooding, return_exceptions=True)
    assert seen == {401, 429}
