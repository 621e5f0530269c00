"""The connection to Redis: replies belong to their callers, waits are bounded, and it comes back by itself."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskgate.errors import StoreError, Unavailable
from taskgate.lifespan import Lifespan
from taskgate.stores.redis.connection import RedisConnection
from taskgate.stores.redis.fitness import judged
from taskgate.stores.redis.scripts import script
from tests.servers.redis import Redis
from tests.system.cluster import free_port

PATIENCE_S = 20.0
CALLS = 100_000


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


async def test_inv_a3_f41_no_reply_goes_to_another(redis_url: str) -> None:
    """100,000 calls, half of them cancelled before they leave, on their way, or as their reply comes."""
    rng = random.Random(41)
    counts = {"answered": 0, "cancelled": 0}

    async def echo(connection: RedisConnection, number: int) -> None:
        try:
            said = await connection.call("ECHO", f"nonce {number}")
        except asyncio.CancelledError:
            counts["cancelled"] += 1
            raise
        assert said == b"nonce %d" % number
        counts["answered"] += 1

    connection = RedisConnection(redis_url, answer_s=30.0)
    async with Lifespan(connection):
        for start in range(0, CALLS, 2000):
            calls = [asyncio.ensure_future(echo(connection, number)) for number in range(start, start + 2000)]
            doomed = rng.sample(calls, 1000)
            for share in range(4):
                for call in doomed[share::4]:
                    call.cancel()
                for _ in range(rng.randrange(4)):
                    await asyncio.sleep(0)
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            wrong = [one for one in outcomes if one is not None and not isinstance(one, asyncio.CancelledError)]
            assert wrong == []
        assert await connection.call("ECHO", "last") == b"last"
    assert counts["answered"] >= CALLS / 2
    assert counts["cancelled"] > CALLS / 10


async def test_an_error_is_its_callers_alone(redis_url: str) -> None:
    connection = RedisConnection(redis_url, answer_s=15.0)
    async with Lifespan(connection):
        await connection.call("SET", "text", "x")
        answers = await asyncio.gather(
            connection.call("PING"),
            connection.call("INCR", "text"),
            connection.call("NO-SUCH-COMMAND"),
            connection.call("GET", "text"),
            return_exceptions=True,
        )
        assert answers[0] == b"PONG"
        assert isinstance(answers[1], StoreError)
        assert isinstance(answers[2], StoreError)
        assert answers[3] == b"x"


async def test_scripts_that_the_server_forgot_are_loaded_again(redis_url: str, redis: Redis) -> None:
    reading = script("board_read")
    connection = RedisConnection(redis_url, answer_s=15.0)
    async with Lifespan(connection):
        for _ in range(3):
            redis.command("SCRIPT", "FLUSH")
            assert await asyncio.gather(*(connection.run(reading, keys=["a", "b"]) for _ in range(5))) == [[]] * 5


async def test_f9_calls_are_refused_at_once_and_it_comes_back(server: Redis) -> None:
    """kill -9: nobody waits long, and five seconds after the restart everything is as before."""
    connection = RedisConnection(server.url)
    returns: list[float] = []
    connection.on_return(lambda: returns.append(time.monotonic()))
    async with Lifespan(connection):
        calls = [asyncio.ensure_future(connection.call("BLPOP", "nothing", "0")) for _ in range(3)]
        await asyncio.sleep(0)
        server.kill()
        began = time.monotonic()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(one, Unavailable) for one in outcomes)
        await until(lambda: not connection.is_up)
        with pytest.raises(Unavailable):
            await connection.call("PING")
        assert time.monotonic() - began < 5.0
        began = time.monotonic()
        server.start()
        await until(lambda: bool(returns))
        assert returns[0] - began < 5.0
        assert await connection.call("PING") == b"PONG"


async def test_a_frozen_server_is_unavailable_in_time_and_stalls_nobody(server: Redis) -> None:
    """SIGSTOP: an answer or Unavailable within 1.5 s or so, and the loop goes on meanwhile."""
    connection = RedisConnection(server.url)
    async with Lifespan(connection):
        server.signal(signal.SIGSTOP)
        began, turns = time.monotonic(), 0
        call = asyncio.ensure_future(connection.call("PING"))
        while not call.done():
            turns += 1
            await asyncio.sleep(0.01)
        assert isinstance(call.exception(), Unavailable)
        assert 1.0 < time.monotonic() - began < 4.0
        assert turns > 20
        with pytest.raises(Unavailable):
            await connection.call("PING")
        server.signal(signal.SIGCONT)
        await until(lambda: connection.is_up)
        assert await connection.call("PING") == b"PONG"


async def test_a_server_that_comes_back_unfit_is_not_used(server: Redis) -> None:
    """F10: replaced by one that evicts."""
    connection = RedisConnection(server.url)
    async with Lifespan(connection):
        server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        server.command("CLIENT", "KILL", "TYPE", "normal")
        await until(lambda: not connection.is_up)
        with pytest.raises(Unavailable):
            await connection.call("PING")
        server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        await until(lambda: connection.is_up)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for localhost that is its own authority, and its key."""
    paths = tmp_path / "crt", tmp_path / "key"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(paths[1]), "-out", str(paths[0])]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return paths


async def test_tls_checks_the_server(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    """rediss: with the right authority; refused without it, and under another name."""
    crt, key = map(str, certificate)
    tls = {"tls-cert-file": crt, "tls-key-file": key, "tls-auth-clients": "no", "tls-ca-cert-file": crt}
    server = Redis(tmp_path / "redis", settings=tls)
    server.start()
    try:
        server.command("CONFIG", "SET", "tls-port", str(tls_port := free_port()))
        good = f"rediss://localhost:{tls_port}/0?ssl_ca_certs={crt}"
        async with Lifespan(connection := RedisConnection(good, answer_s=15.0)):
            assert await connection.call("PING") == b"PONG"
        for bad in (f"rediss://localhost:{tls_port}/0", good.replace("localhost", "127.0.0.1")):
            with pytest.raises(StoreError, match="REDIS_UNTRUSTED"):
                await RedisConnection(bad, answer_s=15.0).start()
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("info", "policy", "code"),
    [
        (b"redis_version:6.0.16\r\nmaxmemory_policy:noeviction\r\n", None, "REDIS_TOO_OLD"),
        (b"redis_version:7.0.15\r\nredis_mode:cluster\r\nmaxmemory_policy:noeviction\r\n", None, "REDIS_CLUSTER"),
        (b"redis_version:7.0.15\r\nrole:slave\r\nmaxmemory_policy:noeviction\r\n", None, "REDIS_REPLICA"),
        (b"redis_version:7.0.15\r\n", None, "REDIS_POLICY_UNKNOWN"),
        (b"", None, "REDIS_POLICY_UNKNOWN"),
        (b"redis_version:7.0.15\r\n", b"volatile-ttl", "REDIS_EVICTS"),
        (b"redis_version:7.0.15\r\nmaxmemory_policy:allkeys-lfu\r\n", b"noeviction", "REDIS_EVICTS"),
        (b"redis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\n", None, ""),
        (b"redis_version:6.2.0\r\ncluster_enabled:0\r\n", b"noeviction", ""),
    ],
)
def test_f10_what_a_server_says_of_itself_decides(info: bytes, policy: bytes | None, code: str) -> None:
    if not code:
        assert judged(info, policy).version >= (6, 2)
        return
    with pytest.raises(StoreError) as caught:
        judged(info, policy)
    assert caught.value.code == code
