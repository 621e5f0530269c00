"""The keys with which this installation signs its own tokens.

They are made from the installation's root secret and the number of a period, and kept nowhere: every gateway that has
the root makes the same ones, no database ever holds them, and nobody has to agree on when they change. A period
lasts `rotate_s`. Tokens are signed with the key of the present period; the key of the last one is accepted for as long
as a token may live, and the next one from two minutes before its time, so that clocks may differ. All that are accepted
or about to be are in the published set, so whoever keeps that set for a while never meets a key it does not know.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from taskgate.identity.jose import VerifyingKey, encoded
from taskgate.identity.principal import LEEWAY_S
from taskgate.identity.signing import IdentitySigner

ALGORITHM = "EdDSA"
DRIFT_S = 2 * LEEWAY_S
REMEMBERED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A private key under the name that its public part is known by."""

    name: str
    key: Ed25519PrivateKey

    @property
    def public_bytes(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def signed(self, claims: Mapping[str, Any], *, kind: str) -> str:
        """The claims as a token of this type."""
        header = {"alg": ALGORITHM, "kid": self.name, "typ": kind}
        text = ".".join(encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
        return f"{text}.{encoded(self.key.sign(text.encode('ascii')))}"


class TokenKeys:
    """Signing keys by time. `life_s` is the longest that a token may live."""

    def __init__(self, signer: IdentitySigner, *, rotate_s: float, life_s: float) -> None:
        self._signer = signer
        self._rotate_s = rotate_s
        self._overlap_s = life_s + DRIFT_S
        self._made: OrderedDict[tuple[bytes, int], SigningKey] = OrderedDict()

    def signing(self, now: float) -> SigningKey:
        """The key of this moment."""
        return self._key(int(now // self._rotate_s))

    def verifying(self, now: float) -> dict[str, VerifyingKey]:
        """The keys that are accepted at this moment, by name."""
        first = int((now - self._overlap_s) // self._rotate_s)
        last = int((now + DRIFT_S) // self._rotate_s)
        return {
            key.name: VerifyingKey(algorithm=ALGORITHM, key=key.key.public_key())
            for key in map(self._key, range(max(first, last - REMEMBERED + 2), last + 1))
        }

    def published(self, now: float) -> dict[str, Any]:
        """The public set (RFC 7517): what is accepted now, and the next key."""
        keys = [*range(int((now - self._overlap_s) // self._rotate_s), int(now // self._rotate_s) + 2)][-REMEMBERED:]
        return {"keys": [_public(self._key(number)) for number in keys]}

    def _key(self, number: int) -> SigningKey:
        place = (self._signer.root, number)
        found = self._made.get(place)
        if found is None:
            text = b"taskgate token key v1\0%d\0%d" % (round(self._rotate_s), number)
            key = Ed25519PrivateKey.from_private_bytes(hmac.digest(self._signer.root, text, hashlib.sha256))
            public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            found = self._made[place] = SigningKey(name=encoded(hashlib.sha256(public).digest()[:12]), key=key)
            if len(self._made) > 2 * REMEMBERED:
                self._made.popitem(last=False)
        return found


def _public(key: SigningKey) -> dict[str, str]:
    return {
        "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": ALGORITHM, "kid": key.name, "x": encoded(key.public_bytes),
    }  # fmt: skip
