"""F31: an issuer's keys from a real HTTPS server: they change, go away, and the server is away."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509

from taskgate.errors import Unavailable
from taskgate.identity.issuers import Issuer
from taskgate.outbound.key_sets import MAX_BYTES, IssuerKeySets
from taskgate.reach.judging import rules_from
from taskgate.reach.pinning import Reach
from taskgate.testing.authority import Authority
from taskgate.testing.clock import ManualClock
from tests.flows.outbound.test_documents import Upstream, serving
from tests.security.tokens import ISSUER, Forge

FORGE = Forge(now=1_800_000_000.0)


class Answers:
    """What the server says, and whether it says anything."""

    def __init__(self) -> None:
        self.body = FORGE.key_set()
        self.status = 200
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, _: web.BaseRequest) -> web.StreamResponse:
        await self.gate.wait()
        return web.Response(body=self.body, status=self.status)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    folder = tmp_path_factory.mktemp("authority")
    authority = Authority(now=time.time())
    leaf = authority.leaf(others=[x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("login.test")])
    ca, _ = authority.root.write(folder, "ca")
    files = leaf.write(folder, "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return ca, context


class Stage:
    """The key sets, their issuer, its server."""

    def __init__(self, sets: IssuerKeySets, issuer: Issuer, upstream: Upstream, *, clock: ManualClock) -> None:
        self.sets, self.issuer, self.upstream, self.clock = sets, issuer, upstream, clock

    async def has(self, name: str) -> bool:
        return await self.sets.key(self.issuer, name) is not None

    @property
    def asked(self) -> int:
        return len(self.upstream.targets)


@asynccontextmanager
async def stage(
    answers: Answers, authority: tuple[Path, ssl.SSLContext], *, networks: tuple[str, ...] = ("auto",), ca: bool = True
) -> AsyncIterator[Stage]:
    clock = ManualClock()
    reach = Reach(rules_from(networks, is_local=networks == ("auto",)), clock=clock)
    async with serving(answers, tls=authority[1]) as upstream:
        issuer = Issuer(
            name="corp",
            issuer=ISSUER,
            audience="taskgate",
            jwks_url=f"https://127.0.0.1:{upstream.port}/keys",
            jwks_ca_path=str(authority[0]) if ca else "",
        )
        sets = IssuerKeySets(reach, clock=clock)
        yield Stage(sets, issuer, upstream, clock=clock)
        await sets.stop()
    await reach.stop()


async def test_f31_a_key_comes_beside_another_and_that_one_goes(authority: tuple[Path, ssl.SSLContext]) -> None:
    answers = Answers()
    answers.body = FORGE.key_set("rsa-1")
    async with stage(answers, authority) as on:
        assert await on.has("rsa-1")
        answers.body = FORGE.key_set("rsa-1", "ec-1")
        on.clock.advance(31.0)
        assert await on.has("ec-1")  # unknown: fetched again at once
        assert await on.has("rsa-1")
        answers.body = FORGE.key_set("ec-1")
        on.clock.advance(601.0)
        assert not await on.has("rsa-1")
        assert await on.has("ec-1")


async def test_f31_a_server_that_is_away_refuses_no_good_token(authority: tuple[Path, ssl.SSLContext]) -> None:
    answers = Answers()
    async with stage(answers, authority) as on:
        assert await on.has("rsa-1")
        answers.status = 500
        for _ in range(20):
            on.clock.advance(601.0)
            assert await on.has("rsa-1")
        answers.status, answers.body = 200, b"no set"
        on.clock.advance(601.0)
        assert await on.has("rsa-1")
        on.clock.advance(86_400.0)
        with pytest.raises(Unavailable):
            await on.has("rsa-1")


async def test_invented_names_cost_one_fetch_in_half_a_minute(authority: tuple[Path, ssl.SSLContext]) -> None:
    async with stage(Answers(), authority) as on:
        assert await on.has("rsa-1")
        on.clock.advance(31.0)
        found = await asyncio.gather(*(on.has(f"invented-{number}") for number in range(200)))
        assert not any(found)
        assert on.asked == 2
        on.clock.advance(31.0)
        assert not await on.has("another")
        assert on.asked == 3


async def test_many_callers_share_one_fetch(authority: tuple[Path, ssl.SSLContext]) -> None:
    answers = Answers()
    answers.gate.clear()
    async with stage(answers, authority) as on:
        asking = [asyncio.create_task(on.has("rsa-1")) for _ in range(100)]
        for _ in range(500):
            if on.asked:
                break
            await asyncio.sleep(0.01)
        answers.gate.set()
        assert all(await asyncio.gather(*asking))
        assert on.asked == 1


@pytest.mark.parametrize("fault", ["size", "status", "redirect", "text", "untrusted", "forbidden"])
async def test_what_is_not_taken(authority: tuple[Path, ssl.SSLContext], fault: str) -> None:
    """A set that was never seen is not made up: Unavailable, and the caller may come back."""
    answers = Answers()
    answers.body = {"size": b"[" * (MAX_BYTES + 1), "text": b"[]"}.get(fault, answers.body)
    answers.status = {"status": 404, "redirect": 302}.get(fault, 200)
    networks = ("10.0.0.0/8",) if fault == "forbidden" else ("auto",)
    async with stage(answers, authority, networks=networks, ca=fault != "untrusted") as on:
        with pytest.raises(Unavailable):
            await on.has("rsa-1")


async def test_keys_of_other_kinds_are_left_out() -> None:
    from taskgate.identity.jose import read_key_set

    secret = b'{"keys": [{"kty": "oct", "k": "AAAA", "kid": "rsa-1", "alg": "HS256"}, 5, {"kid": 1}, {"kty": "RSA"}]}'
    assert read_key_set(secret, algorithms=("RS256", "HS256")) == {}
    assert set(read_key_set(FORGE.key_set(), algorithms=("ES256",))) == {"ec-1"}
    for text in (b"[]", b"{}", b'{"keys": 5}', b"nonsense"):
        with pytest.raises(ValueError):
            read_key_set(text, algorithms=("RS256",))
