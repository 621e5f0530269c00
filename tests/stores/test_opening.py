"""Every database beside every place for what gateways share: the parts start together and do their work."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from taskgate.clock import SystemClock
from taskgate.errors import InvalidInput, StoreError, Unavailable
from taskgate.lifespan import Lifespan
from taskgate.limits.ports import Draw
from taskgate.secret import Url
from taskgate.stores.opening import Stores, open_stores
from taskgate.stores.settings import RedisSettings
from taskgate.testing.contracts.ready import A, refs
from tests.servers.redis import Redis
from tests.system.cluster import free_port

PATIENCE_S = 20.0


def opened(url: str, redis_url: str = "") -> Stores:
    settings = RedisSettings(url=Url(redis_url), namespace="tg")
    return open_stores(url, clock=SystemClock(), probe=lambda _: None, redis=settings)


@pytest.mark.parametrize("has_redis", [False, True])
@pytest.mark.parametrize("engine", ["memory", "sqlite", "postgresql"])
async def test_every_database_with_and_without_redis(
    request: pytest.FixtureRequest, tmp_path: Path, engine: str, has_redis: bool
) -> None:
    url = {"memory": "memory:", "sqlite": f"sqlite:{tmp_path}"}.get(engine) or request.getfixturevalue("postgres_url")
    stores = opened(url, request.getfixturevalue("redis_url") if has_redis else "")
    async with Lifespan(*stores.parts):
        offered = refs(3)
        await stores.ready.offer(offered)
        assert await stores.ready.take([A], 5) == offered
        subscription = stores.signals.subscribe("t")
        await stores.signals.publish("t", b"news")
        async with asyncio.timeout(PATIENCE_S):
            assert await subscription.next() == b"news"
        assert await stores.one_use.put(b"n", b"v", keep_s=60.0)
        assert await stores.one_use.take(b"n") == b"v"
        assert (await stores.buckets.draw([Draw(bucket="b", rate=1.0, burst=2.0)]))[0].given == 1.0
        await stores.board.post("one", b"text", keep_s=60.0)
        assert await stores.board.read() == {"one": b"text"}
        assert stores.is_shared == (engine == "postgresql" and has_redis)


@pytest.mark.parametrize("url", ["redis:", "http://host/0", "redis://host/0?ssl_ca_certs=x", "rediss://h/0?retry=1"])
def test_a_url_that_names_no_server_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        opened("memory:", url)
    assert caught.value.extra["path"] == "redis.url"


async def test_nobody_there_is_begun_without() -> None:
    """The start comes about; whoever asks the ready queue is told that Redis is away."""
    stores = opened("memory:", f"redis://:secret@127.0.0.1:{free_port()}/0")
    async with Lifespan(*stores.parts):
        with pytest.raises(Unavailable, match="Redis is away"):
            await stores.ready.depth()


@pytest.mark.parametrize(
    ("settings", "code", "says"),
    [
        ({"maxmemory-policy": "allkeys-lru"}, "REDIS_EVICTS", "maxmemory-policy noeviction"),
        ({"cluster-enabled": "yes", "cluster-port": "0"}, "REDIS_CLUSTER", "single server"),
        ({"requirepass": "secret"}, "REDIS_REFUSES", "refuses"),
    ],
)
async def test_f10_a_server_that_must_not_be_used_ends_the_start(
    tmp_path: Path, settings: dict[str, str], code: str, says: str
) -> None:
    """The text says what an operator has to change."""
    settings, password = dict(settings), settings.get("requirepass", "")
    settings.pop("requirepass", None)
    if "cluster-enabled" in settings:
        settings["cluster-port"] = str(free_port())  # by itself it is the port + 10,000, which need not exist
    if "cluster-port" in settings:  # else it is the server's own and 10,000 more, which may be too many
        settings["cluster-port"] = str(free_port())
    server = Redis(tmp_path / "redis", settings=settings)
    server.start()
    if password:
        server.command("CONFIG", "SET", "requirepass", password)
    try:
        with pytest.raises(StoreError, match=says) as caught:
            await Lifespan(*opened("memory:", server.url).parts).start()
        assert caught.value.code == code
        if password:
            good = server.url.replace("redis://", f"redis://:{password}@")
            async with Lifespan(*opened("memory:", good).parts):
                pass
    finally:
        server.stop()


async def test_the_user_of_the_how_to_is_allowed_enough(redis_url: str, redis: Redis) -> None:
    """What docs/how-to/redis.md tells operators to set is what a gateway needs."""
    page = (Path(__file__).parents[2] / "docs/how-to/redis.md").read_text(encoding="utf-8")
    (line,) = [line for line in page.splitlines() if line.startswith("ACL SETUSER")]
    redis.command(*line.replace("PASSWORD", "secret").split())
    try:
        url = redis_url.replace("redis://", "redis://taskgate:secret@")
        settings = RedisSettings(url=Url(url), namespace="taskgate")
        stores = open_stores("memory:", clock=SystemClock(), probe=lambda _: None, redis=settings)
        async with Lifespan(*stores.parts):
            await stores.ready.offer(refs(2))
            assert len(await stores.ready.take([A], 5)) == 2
            await stores.signals.publish("t", b"news")
            assert (await stores.buckets.draw([Draw(bucket="b", rate=1.0, burst=2.0)]))[0].given == 1.0
            await stores.board.post("one", b"text", keep_s=60.0)
            assert await stores.board.read() == {"one": b"text"}
            assert await stores.one_use.put(b"n", b"v", keep_s=60.0)
            assert await stores.one_use.take(b"n") == b"v"
    finally:
        redis.command("ACL", "DELUSER", "taskgate")
