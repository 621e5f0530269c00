"""F25: one tenant at ten times its rate is held to it, and the others do not feel it.

INV-R1: over the whole flood no more is admitted than burst + rate · seconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.system.cluster import free_port
from tests.system.proxy.calls import Caller, calling, p99, until
from tests.system.proxy.fronts import Front, ask, taskgate_front
from tests.system.proxy.servers import running
from tests.system.proxy.streams import stream_server

pytestmark = pytest.mark.system

RATE, BURST = 40.0, 40.0
OTHER_RATE = 30.0
CALLS = 100
BASE_S = 0.025


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("flood")
    server = stream_server(folder, port=free_port())
    with running(server), taskgate_front(folder, {"up": server.port}) as found:
        limit = {"rate": RATE, "burst": BURST, "per": "tenant"}
        routes = [
            {
                "name": "limited", "method": "*", "gateway_path": "/limited/{rest:path}",
                "upstream_path": "/{rest:path}",
                "policy": {"rate_limits": [limit]},
            },
        ]  # fmt: skip
        told = {"name": "limited", "base_url": f"http://127.0.0.1:{server.port}", "routes": routes, "lease_s": 3600}
        status, answer = ask(found.url, "POST", "/gateway/register", key=found.credential, body=told)
        assert status in (200, 201), answer
        yield found


def tenant(front: Front, site: str, *, rate: float) -> Caller:
    """A caller with a key of that site."""
    told = {"name": site, "scopes": ["submit"], "site_id": site}
    status, answer = ask(front.url, "POST", "/v1/keys", key=front.credential, body=told)
    assert status == 201, answer
    return Caller(front, "/limited/plain", rate=rate, headers={"X-API-Key": answer["key"]})


async def test_f25_a_flood_is_held_and_nobody_else_feels_it(front: Front) -> None:
    alone = tenant(front, "alone", rate=OTHER_RATE)
    async with calling(alone):
        await until(lambda: len(alone.calls) >= CALLS)
    flood, other = tenant(front, "flood", rate=10 * RATE), tenant(front, "other", rate=OTHER_RATE)
    begun = time.monotonic()
    async with calling(flood, other):
        await until(lambda: len(other.calls) >= CALLS)
    seconds = time.monotonic() - begun
    admitted = flood.statuses.pop(200, 0)
    assert 0 < admitted <= BURST + RATE * seconds + 1
    assert set(flood.statuses) <= {200, 429}
    assert flood.statuses[429] > admitted
    assert all(call.retry_after.isdigit() for call in flood.calls if call.status == 429)
    assert other.statuses == {200: len(other.calls)}
    assert p99(other.calls) < max(2 * p99(alone.calls), 4 * BASE_S)
