"""What was taken back stays so, and nothing else goes with it: names, certificates, keys of issuers, neighbours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskgate.edge.failures import FailedTries
from taskgate.errors import InvalidInput, Limited, Unauthenticated
from taskgate.identity.issuers import read_issuers
from taskgate.identity.settings import AuthSettings
from taskgate.testing.authority import Authority
from taskgate.testing.clock import ManualClock
from tests.edge.http.house import House, open_house
from tests.security.tokens import Forge

GPU = "spiffe://mesh.example/worker/gpu-1"
DAY_S = 86_400.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def forge(clock: ManualClock) -> Forge:
    return Forge(now=clock.now())


@pytest.fixture
async def house(clock: ManualClock, forge: Forge, tmp_path: Path) -> AsyncIterator[House]:
    auth = AuthSettings(
        issuers_path=str(forge.write(tmp_path)),
        trust_domain="mesh.example",
        certificate_rules=("/worker/{worker} = worker worker read",),
    )
    async with open_house(clock=clock, auth=auth) as opened:
        yield opened


async def test_inv_a5_a_certificate_stays_taken_back_for_as_long_as_it_is_good(
    house: House, clock: ManualClock
) -> None:
    """Certificates live longer than any token: what took one back is kept for longer than one may live."""
    old = Authority(now=clock.now(), life_s=398 * DAY_S).leaf([GPU]).pem
    others = house.gateway.entrance.gate._others
    assert others.certificate(old).worker_id == "gpu-1"
    clock.advance(1.0)
    await house.gateway.entrance.tokens.take_back(GPU)
    for _ in range(40):
        with pytest.raises(Unauthenticated):
            others.certificate(old)
        clock.advance(9 * DAY_S)
        await house.gateway.entrance.tokens.take_back("jti:any")  # every learning forgets what is over
    fresh = Authority(now=clock.now()).leaf([GPU]).pem
    assert others.certificate(fresh).worker_id == "gpu-1"


async def test_taking_back_the_tokens_of_a_key_leaves_the_key(house: House, clock: ManualClock) -> None:
    """And what was opened with the key is not ended again at every look."""
    key = await house.key("read")
    principal = await house.gateway.keys.authenticate(key)
    token, made = await house.gateway.entrance.tokens.exchange(principal)
    clock.advance(1.0)
    await house.gateway.entrance.tokens.take_back(principal.id)
    standing = house.gateway.keys.standing
    assert not await standing.holds(made)
    assert await standing.holds(principal)
    assert (await house.gateway.keys.authenticate(key)).id == principal.id
    with pytest.raises(Unauthenticated):
        await house.gateway.keys.authenticate(token)
    await house.gateway.entrance.tokens.exchange(principal)
    await house.gateway.keys.revoke(None, principal.id)
    assert not await standing.holds(principal)


async def test_inv_a5_a_token_that_is_made_in_the_same_moment(house: House, clock: ManualClock) -> None:
    """Its time of issue is never rounded past the revocation."""
    clock.jump(0.0006)
    principal = await house.gateway.keys.authenticate(await house.key("read"))
    _, made = await house.gateway.entrance.tokens.exchange(principal)
    assert made.issued_at <= clock.now()
    await house.gateway.entrance.tokens.take_back(principal.id)
    assert not await house.gateway.keys.standing.holds(made)


async def test_f31_a_withdrawn_key_of_an_issuer_ends_its_tokens(
    house: House, clock: ManualClock, forge: Forge, tmp_path: Path
) -> None:
    """Within the time that a set is believed, also a token that is in use and was proven long ago."""
    token = forge.token(exp=forge.now + 3500)
    assert (await house.ask("GET", "/v1/runs", key=token)).status == 200
    (tmp_path / "keys.json").write_bytes(forge.key_set("ec-1"))
    clock.advance(1201.0)
    assert house.gateway.entrance.tokens.recalled(token.encode()) is None
    assert (await house.ask("GET", "/v1/runs", key=token)).status == 401


async def test_s21_a_known_token_never_notices_its_neighbours(house: House, forge: Forge) -> None:
    """Nor does a known key; who is not known there is told when to come back."""
    token, key = forge.token(), await house.key("read")
    gate = house.gateway.entrance.gate
    for text in (token, key):
        await gate.admit([(b"x-api-key", text.encode())], address="203.0.113.7")
    for _ in range(200):
        with pytest.raises((Unauthenticated, Limited)):
            await gate.admit([(b"x-api-key", b"tg_wrong")], address="203.0.113.7")
    for text in (token, key):
        assert (await gate.admit([(b"x-api-key", text.encode())], address="203.0.113.7")).site_id == "acme"
    with pytest.raises(Limited) as told:
        await gate.admit([(b"x-api-key", forge.token(jti="j2").encode())], address="203.0.113.7")
    assert 0 < (told.value.retry_after_s or 0) <= 1.0


def test_s21_a_million_tries_from_one_network() -> None:
    """Scaled: whatever an address of one /64 calls itself, it fails 5 times a second; others are not counted."""
    clock = ManualClock()
    tries = FailedTries(clock)
    missed = sum(tries.count(f"2001:db8:0:1:{n:x}::{n % 7}") == 0 for n in range(20_000))
    assert missed == 5
    for _ in range(100):
        clock.advance(0.1)
        missed += sum(tries.count(f"2001:db8:0:1::{n:x}") == 0 for n in range(200))
    assert missed <= 5 + 5 * 10 + 1
    assert tries.left_s("2001:db8:0:2::1") == 0 == tries.left_s("192.0.2.1")
    clock.advance(1.0)
    assert tries.left_s("2001:db8:0:1::1") == 0


@pytest.mark.parametrize("name", ["join", "jti", "spiffe", "bridge"])
def test_no_issuer_has_the_name_of_something_else(tmp_path: Path, name: str) -> None:
    """Its subjects are called `name:subject`, and `join:ID` is who shows that join token."""
    file = Forge(now=0.0).write(tmp_path)
    file.write_text(file.read_text().replace('"corp"', f'"{name}"'))
    with pytest.raises(InvalidInput):
        read_issuers(file)


def test_f34_a_file_of_issuers_that_is_half_written(tmp_path: Path) -> None:
    """Every part of it is refused as a whole, or is a file without that issuer; it is never half an issuer."""
    file = Forge(now=0.0).write(tmp_path)
    whole = file.read_text()
    for length in range(0, len(whole), 3):
        file.write_text(whole[:length])
        try:
            rows = read_issuers(file)
        except InvalidInput:
            continue
        assert not rows or rows[0].scopes <= {"read", "submit", "worker"}
        assert not rows or (rows[0].audience, rows[0].jwks_path != "") == ("taskgate", True)
