"""S18-S20: forged, stale and misspelt tokens. What is refused here more strictly than by others stands at its row."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from taskgate.identity.jose import read_token
from taskgate.identity.settings import AuthSettings
from taskgate.testing.clock import ManualClock
from tests.edge.http.house import House, open_house
from tests.security.tokens import Forge, b64

pytestmark = pytest.mark.security
CLOCK = ManualClock()
FORGE = Forge(now=CLOCK.now())
OTHER = rsa.generate_private_key(65537, 2048)
Make = Callable[[], str]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    auth = AuthSettings(issuers_path=str(FORGE.write(tmp_path)))
    async with open_house(clock=ManualClock(), auth=auth) as opened:
        yield opened


async def ask(house: House, token: str) -> int:
    """What a call with this token is answered; from an address that never failed before."""
    house.address = f"10.{len(token) % 250}.{hash(token) % 250}.{hash(token) // 250 % 250}"
    return (await house.ask("GET", "/v1/runs", raw=[(b"authorization", b"Bearer " + token.encode("latin-1"))])).status


@pytest.mark.parametrize("header", [{}, {"alg": "ES256", "kid": "ec-1"}, {"typ": "application/at+JWT"}])
async def test_a_good_token(house: House, header: dict[str, Any]) -> None:
    assert await ask(house, FORGE.token(header)) == 200


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"}, {"alg": "None"}, {"alg": "nOnE"}, {"alg": ""}, {"alg": None}, {"alg": 5}, {"alg": ["RS256"]},
        {"alg": "HS256"}, {"alg": "HS512"}, {"alg": "RS512"}, {"alg": "PS256"}, {"alg": "ES256K"}, {"alg": "rs256"},
        {"alg": "ES256"}, {"alg": "RS256", "kid": "ec-1"}, {"kid": "rsa-2"}, {"kid": None}, {"kid": ""},
        {"kid": "../../dev/null"}, {"kid": "' OR 1=1--"}, {"kid": 7}, {"kid": ["rsa-1"]}, {"kid": "k" * 300},
        {"crit": ["exp"]}, {"crit": ["b64"], "b64": False}, {"crit": []}, {"b64": True}, {"zip": "DEF"},
        {"typ": "JWT"}, {"typ": None}, {"typ": "dpop+jwt"}, {"typ": 1},
    ],
)  # fmt: skip
async def test_s18_headers(house: House, header: dict[str, Any]) -> None:
    """Stricter than others: `typ` must be `at+jwt`; a name of a key is needed where there are several."""
    assert await ask(house, FORGE.token(header)) == 401


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c"])
async def test_s18_keys_in_headers_are_not_looked_at(house: House, member: str) -> None:
    forged = Forge(now=FORGE.now, rsa_key=OTHER)
    key = json.loads(forged.key_set("rsa-1"))["keys"][0]
    value = {"jwk": key, "x5c": [b64(b"certificate")]}.get(member, "https://evil.example/keys")
    assert await ask(house, forged.token({member: value})) == 401
    assert await ask(house, FORGE.token({member: value})) == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": -600}, {"exp": None}, {"exp": 1e20}, {"exp": "soon"}, {"exp": "9999999999"}, {"exp": True},
        {"exp": [9e9]}, {"exp": -1.0}, {"iat": None}, {"iat": "0"}, {"iat": 3600}, {"iat": -4000}, {"nbf": 120},
        {"nbf": "now"}, {"aud": None}, {"aud": "another"}, {"aud": []}, {"aud": ["another"]}, {"aud": {"taskgate": 1}},
        {"aud": ["taskgate", 5]}, {"iss": None}, {"iss": "https://evil.example"}, {"iss": "https://login.example/"},
        {"iss": ["https://login.example"]}, {"sub": None}, {"sub": ""}, {"sub": 5}, {"sub": "a" * 300},
        {"sub": "a\nb"}, {"site": None}, {"site": "../x"}, {"site": 5}, {"jti": 5}, {"jti": ""},
    ],
)  # fmt: skip
async def test_s19_claims(house: House, changes: dict[str, Any]) -> None:
    """Small numbers stand for seconds from now. Stricter than others: a list of audiences holds texts alone."""
    moments = {
        name: FORGE.now + value
        for name, value in changes.items()
        if name in ("exp", "iat", "nbf") and type(value) is int and abs(value) <= 4000
    }
    assert await ask(house, FORGE.token(**{**changes, **moments})) == 401


@pytest.mark.parametrize("payload", ["NaN", "Infinity", "-Infinity", "1e999", "1e308", "9" * 400])
async def test_s19_numbers_that_are_none(house: House, payload: str) -> None:
    text = json.dumps(FORGE.claims(exp=4711)).replace("4711", payload)
    assert await ask(house, FORGE.sign({"alg": "RS256", "kid": "rsa-1", "typ": "at+jwt"}, text)) == 401


@pytest.mark.parametrize("skew_s", [-50, 50])
async def test_clocks_may_differ_by_a_minute(house: House, skew_s: int) -> None:
    assert await ask(house, FORGE.token(iat=FORGE.now + skew_s, nbf=FORGE.now + skew_s)) == 200
    assert await ask(house, FORGE.token(iat=FORGE.now - 1000, exp=FORGE.now - 50)) == 200


GOOD = FORGE.token()
HEAD, BODY, SIGNATURE = GOOD.split(".")
MISSPELT: dict[str, Make] = {
    "padding behind": lambda: GOOD + "=",
    "two pads": lambda: GOOD + "==",
    "padding in the head": lambda: f"{HEAD}=.{BODY}.{SIGNATURE}",
    "padding in the body": lambda: f"{HEAD}.{BODY}=.{SIGNATURE}",
    "no signature": lambda: f"{HEAD}.{BODY}.",
    "two parts": lambda: f"{HEAD}.{BODY}",
    "four parts": lambda: f"{GOOD}.{SIGNATURE}",
    "five parts": lambda: f"{GOOD}.{SIGNATURE}.{SIGNATURE}",
    "another alphabet": lambda: f"{HEAD}.{BODY}.+/{SIGNATURE[2:]}",
    "a blank inside": lambda: f"{HEAD}.{BODY}. {SIGNATURE}",
    "a line inside": lambda: f"{HEAD}.{BODY}.{SIGNATURE[:9]}\t{SIGNATURE[9:]}",
    "a character beyond ASCII": lambda: f"{HEAD}.{BODY}.{SIGNATURE[:-1]}\xe9",
    "a NUL": lambda: f"{GOOD}\0",
    "cut": lambda: GOOD[:-4],
    "longer": lambda: GOOD + "AAAA",
    "the last bits": lambda: GOOD[:-1] + chr(ord(GOOD[-1]) + 1),
    "another body": lambda: f"{HEAD}.{b64(FORGE.claims(scope='tg:submit'))}.{SIGNATURE}",
    "a member twice": lambda: FORGE.sign({"alg": "RS256", "kid": "rsa-1", "typ": "at+jwt"}, json.dumps(
        FORGE.claims()).replace('"sub"', '"sub": "root", "sub"')),
    "a list": lambda: FORGE.sign({"alg": "RS256", "kid": "rsa-1", "typ": "at+jwt"}, "[]"),
    "nothing": lambda: FORGE.sign({"alg": "RS256", "kid": "rsa-1", "typ": "at+jwt"}, ""),
    "bad UTF-8": lambda: f"{HEAD}.{b64(bytes([0xff, 0xfe]))}.{SIGNATURE}",
    "deep": lambda: FORGE.sign({"alg": "RS256", "kid": "rsa-1", "typ": "at+jwt"}, "[" * 3000),
    "large": lambda: FORGE.token(extra="x" * 9000),
    "JSON form": lambda: json.dumps({"protected": HEAD, "payload": BODY, "signature": SIGNATURE}),
    "the name of another algorithm": lambda: FORGE.sign(
        '{"alg": "ES256", "kid": "rsa-1", "typ": "at+jwt"}', json.dumps(FORGE.claims())),
    "another key": lambda: FORGE.token(key=OTHER),
}  # fmt: skip


@pytest.mark.parametrize("kind", MISSPELT)
async def test_s20_one_token_has_one_text(house: House, kind: str) -> None:
    """Stricter than others: padding, unused bits, repeated members and anything behind the signature are refused."""
    assert await ask(house, GOOD) == 200
    assert await ask(house, MISSPELT[kind]()) in (400, 401)


def test_reading_looks_at_no_key() -> None:
    read = read_token(GOOD)
    assert (read.algorithm, read.key_id, read.type) == ("RS256", "rsa-1", "at+jwt")


async def test_s20_taken_back_by_its_id(house: House) -> None:
    """By `jti`, never by text: another token of the same id is refused too, another id is not."""
    admin = await house.key("admin")
    assert await ask(house, GOOD) == 200
    assert (await house.ask("POST", "/v1/tokens/revoke", {"token_id": "corp:j1"}, key=admin)).status == 204
    assert await ask(house, GOOD) == 401
    assert await ask(house, FORGE.token(scope="tg:submit tg:read")) == 401
    assert await ask(house, FORGE.token(jti="j2")) == 200


async def test_s19_a_deleted_user(house: House) -> None:
    """By subject: whatever was issued before, also without an id; what is issued later is good."""
    admin, bare = await house.key("admin"), FORGE.token(jti=None)
    assert await ask(house, bare) == 200
    assert (await house.ask("POST", "/v1/tokens/revoke", {"subject": "corp:alice"}, key=admin)).status == 204
    for token in (bare, FORGE.token(jti="j9"), FORGE.token(jti=None)):
        assert await ask(house, token) == 401
    assert await ask(house, FORGE.token(sub="bob", jti=None)) == 200


async def test_rights_are_never_more_than_the_row_says(house: House) -> None:
    """A claim names scopes, the issuer's row limits them; the tenant is the claim's."""
    greedy = FORGE.token(scope="tg:admin tg:tenant:assert tg:read read admin")
    principal = await house.gateway.keys.authenticate(greedy)
    assert (principal.scopes, principal.site_id, principal.id) == (frozenset({"read"}), "acme", "corp:alice")
    asked = [("X-Site-Id", "globex")]
    house.address = "10.9.9.9"
    reply = await house.ask("GET", "/v1/runs", headers=[("Authorization", f"Bearer {greedy}"), *asked])
    assert reply.status == 200
    assert (await house.ask("GET", "/v1/keys", headers=[("Authorization", f"Bearer {greedy}")])).status == 403
