"""Reading signed tokens (JWS compact, RFC 7515) as strictly as they can be read.

One token has one text: no padding, no bits behind the last character, no member twice, nothing outside
`A-Za-z0-9_-.`; so what is remembered or revoked of it cannot come back in another spelling. Keys come from our own key
sets alone and each has one algorithm; whatever a header says about keys (`jwk`, `jku`, `x5u`, `x5c`) is not looked at,
and `kid` is a name to look up in a table (RFC 8725 sections 3.1 to 3.10). What an extension would change is refused:
`crit`, `b64`, `zip`. Nothing in here knows who may call.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import Algorithm, get_default_algorithms

from taskgate.errors import Unauthenticated
from taskgate.identity.principal import LEEWAY_S

MAX_TOKEN_LENGTH = 8192
MAX_NAME_LENGTH = 256
LATEST_AT = 253_402_300_799.0  # the end of the year 9999
MIN_RSA_BITS = 2048
ALGORITHMS = ("EdDSA", "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
"""Every algorithm that a key set of ours may use: signatures with a public key, and nothing else."""

_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_REFUSED_MEMBERS = ("crit", "b64", "zip")
_KNOWN: dict[str, Algorithm] = get_default_algorithms()
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Unproven:
    """A token as it reads, before its signature was looked at: nothing in it may be believed."""

    algorithm: str
    key_id: str
    type: str
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyingKey:
    """A public key and the one algorithm that it is for."""

    algorithm: str
    key: PublicKey


def looks_like_token(text: str) -> bool:
    """Whether the text may be a token rather than a key: it has the dots of one."""
    return text.count(".") == 2


def read_token(text: str) -> Unproven:
    """What a token says. Unauthenticated for every text that is not exactly one token."""
    if len(text) > MAX_TOKEN_LENGTH:
        raise refused("is too long")
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise refused("is malformed")
    header, claims = _object(_bytes(shape[1])), _object(_bytes(shape[2]))
    if any(member in header for member in _REFUSED_MEMBERS):
        raise refused("uses an extension that is not understood here")
    algorithm, key_id, kind = header.get("alg"), header.get("kid", ""), header.get("typ", "")
    if algorithm not in ALGORITHMS:
        raise refused("is not signed in a way that is accepted here")
    if not all(isinstance(name, str) and len(name) <= MAX_NAME_LENGTH for name in (key_id, kind)):
        raise refused("is malformed")
    return Unproven(
        algorithm=algorithm,
        key_id=key_id,
        type=kind.lower().removeprefix("application/"),
        claims=claims,
        signed=f"{shape[1]}.{shape[2]}".encode("ascii"),
        signature=_bytes(shape[3]),
    )


def prove(token: Unproven, key: VerifyingKey) -> None:
    """Unauthenticated unless this key signed the token, with the algorithm that is the key's."""
    if token.algorithm != key.algorithm:
        raise refused("is signed with another algorithm than its key is for")
    if not _KNOWN[key.algorithm].verify(token.signed, key.key, token.signature):
        raise refused("has a wrong signature")


def check_claims(claims: Mapping[str, Any], *, audience: str, now: float, max_age_s: float) -> None:
    """Unauthenticated unless the token is for us and of this time; RFC 7519 section 4.1, with 60 s of leeway."""
    expires_at, issued_at = moment_of(claims, "exp"), moment_of(claims, "iat")
    if "nbf" in claims and now < moment_of(claims, "nbf") - LEEWAY_S:
        raise refused("is not valid yet")
    if issued_at > now + LEEWAY_S:
        raise refused("was issued in the future")
    if expires_at <= issued_at or now >= expires_at + LEEWAY_S or now - issued_at > max_age_s + LEEWAY_S:
        raise refused("has expired", code="TOKEN_EXPIRED")
    told = claims.get("aud")
    audiences = told if isinstance(told, list) else [told]
    if audience not in audiences or not all(isinstance(one, str) for one in audiences):
        raise refused("is for somebody else")


def moment_of(claims: Mapping[str, Any], name: str) -> float:
    """A moment among the claims: a number of seconds that some calendar has, so no NaN, nor what no float holds."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refused(f"has no {name}")
    if not 0 <= value <= LATEST_AT:
        raise refused(f"has an {name} of no calendar")
    return float(value)


def text_of(claims: Mapping[str, Any], name: str) -> str:
    """A text among the claims, which must be there and not be empty."""
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME_LENGTH or not value.isprintable():
        raise refused(f"has no {name}")
    return value


def read_key_set(raw: bytes, *, algorithms: Iterable[str]) -> dict[str, VerifyingKey]:
    """The keys of a set (RFC 7517) that may sign with one of the algorithms, by name. ValueError when it is no set; a
    key of another kind, for another use, too short, symmetric or without a name of its own is left out."""
    allowed = tuple(algorithms)
    document = json.loads(raw)
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("this is no key set")
    found: dict[str, VerifyingKey] = {}
    for item in listed:
        name = item.get("kid", "") if isinstance(item, dict) else None
        key = _public_key(item, allowed) if isinstance(name, str) and len(name) <= MAX_NAME_LENGTH else None
        if key is not None and name is not None and name not in found:
            found[name] = key
    return found


def _public_key(item: dict[str, Any], allowed: tuple[str, ...]) -> VerifyingKey | None:
    if item.get("use", "sig") != "sig" or item.get("kty") not in ("RSA", "EC", "OKP"):
        return None
    public = {name: value for name, value in item.items() if name not in ("d", "p", "q", "dp", "dq", "qi", "oth")}
    candidates = [item["alg"]] if "alg" in item else list(allowed)
    for algorithm in candidates:
        if algorithm not in allowed or algorithm not in ALGORITHMS:
            continue
        try:
            key = type(_KNOWN[algorithm]).from_jwk(json.dumps(public))
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            continue
        if _fits(key, algorithm):
            return VerifyingKey(algorithm=algorithm, key=key)
    return None


def _fits(key: object, algorithm: str) -> bool:
    if isinstance(key, rsa.RSAPublicKey):
        return algorithm[:2] in ("RS", "PS") and key.key_size >= MIN_RSA_BITS
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVES.get(algorithm) == key.curve.name
    return isinstance(key, ed25519.Ed25519PublicKey) and algorithm == "EdDSA"


def encoded(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    """What a part says; Unauthenticated where another text would say the same."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise refused("is malformed") from None
    if encoded(raw) != text:
        raise refused("is malformed")
    return raw


def _object(raw: bytes) -> dict[str, Any]:
    """A JSON object without a member twice and without numbers that JSON does not know."""
    try:
        found = json.loads(raw.decode("utf-8"), object_pairs_hook=_members, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise refused("is malformed") from None
    if not isinstance(found, dict):
        raise refused("is malformed")
    return found


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands there twice")
    return found


def _no_number(_: str) -> float:
    raise ValueError("this is no number of JSON")


def refused(why: str, *, code: str = "BAD_TOKEN") -> Unauthenticated:
    """The one error of tokens; it never says what stands in one."""
    return Unauthenticated(f"the token {why}", code=code)
