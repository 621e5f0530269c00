"""Forging tokens: an issuer for tests, whose keys stand in a file, and everything one can do wrong to a token."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

ISSUER = "https://login.example"
ROW = """
[[issuer]]
name = "corp"
issuer = "https://login.example"
audience = "taskgate"
algorithms = ["RS256", "ES256"]
{keys}
max_age_s = 3600
scopes = ["read", "submit", "worker"]
scope_claim = "scope"
scope_prefix = "tg:"
site_claim = "site"
"""


def b64(raw: bytes | str | dict[str, Any]) -> str:
    """base64url without padding, of bytes, a text, or a value as JSON."""
    if isinstance(raw, dict):
        raw = json.dumps(raw)
    return base64.urlsafe_b64encode(raw.encode() if isinstance(raw, str) else raw).rstrip(b"=").decode()


@dataclass
class Forge:
    """An issuer with an RSA key (`rsa-1`) and a curve key (`ec-1`)."""

    now: float
    rsa_key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    ec_key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def key_set(self, *names: str) -> bytes:
        """Its public keys as a set, or only those named."""
        found: dict[str, tuple[Any, Any, str]] = {
            "rsa-1": (jwt.algorithms.RSAAlgorithm, self.rsa_key, "RS256"),
            "ec-1": (jwt.algorithms.ECAlgorithm, self.ec_key, "ES256"),
        }
        keys = [
            {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": name, "alg": kind, "use": "sig"}
            for name, (algorithm, key, kind) in found.items()
            if not names or name in names
        ]
        return json.dumps({"keys": keys}).encode()

    def write(self, folder: Path) -> Path:
        """The file of issuers, and that of its keys beside it."""
        (folder / "keys.json").write_bytes(self.key_set())
        file = folder / "issuers.toml"
        file.write_text(ROW.format(keys=f'jwks_path = "{folder / "keys.json"}"'))
        return file

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Good claims with changes; None takes one away."""
        plain = {
            "iss": ISSUER, "aud": "taskgate", "sub": "alice", "jti": "j1", "site": "acme", "scope": "tg:read openid",
            "iat": self.now, "exp": self.now + 600, **changes,
        }  # fmt: skip
        return {name: value for name, value in plain.items() if value is not None}

    def token(self, header: dict[str, Any] | None = None, *, key: Any = None, **changes: Any) -> str:
        """A token; good where nothing is changed. `key` signs instead of the RSA key."""
        head = {"alg": "RS256", "kid": "rsa-1", "typ": "at+jwt", **(header or {})}
        head = {name: value for name, value in head.items() if value is not None}
        return self.sign(head, json.dumps(self.claims(**changes)), key=key)

    def sign(self, head: dict[str, Any] | str, payload: str, *, key: Any = None) -> str:
        """Any header and payload, signed as the header's algorithm says where that can be done, else as RS256."""
        text = f"{b64(head)}.{b64(payload)}"
        algorithm = head.get("alg") if isinstance(head, dict) else "RS256"
        known = jwt.algorithms.get_default_algorithms()
        if algorithm == "none" or not isinstance(algorithm, str):
            return f"{text}."
        worker = known.get(algorithm, known["RS256"])
        if algorithm.startswith("HS") and key is None:
            pem = self.rsa_key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            import hashlib
            import hmac

            digest = getattr(hashlib, f"sha{algorithm[2:]}")
            return f"{text}.{b64(hmac.digest(pem, text.encode(), digest))}"
        own = self.ec_key if algorithm.startswith("ES") else self.rsa_key
        return f"{text}.{b64(worker.sign(text.encode(), key or own))}"
