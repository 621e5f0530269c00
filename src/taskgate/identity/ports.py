"""What identity needs from a store.

Keys are looked up by a public id; a secret itself never reaches a store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """An API key as stored: the SHA-256 of its secret, never the secret. Moments are epoch seconds.

    `prefixes` are the paths under which it may register services; none means any path that is free. With a `worker_id`
    it is the credential of that one worker.
    """

    id: str
    name: str
    kind: str
    secret_sha256: bytes
    last4: str
    scopes: frozenset[str]
    site_id: str
    user_id: str = ""
    app_id: str = ""
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    rotated_from: str = ""
    prefixes: tuple[str, ...] = ()
    worker_id: str = ""


class KeyRing(Protocol):
    """API keys by their public id."""

    async def save(self, record: KeyRecord) -> None: ...

    async def find(self, key_id: str) -> KeyRecord | None: ...

    async def all(self) -> list[KeyRecord]:
        """Every key, revoked ones too, oldest first."""
        ...

    async def revoke(self, key_id: str, at: float) -> bool:
        """True when the key existed and was not revoked yet."""
        ...


class OneUse(Protocol):
    """Values that can be taken once, by whichever gateway is asked first: tickets, nonces."""

    async def put(self, name: bytes, value: bytes, *, keep_s: float) -> bool:
        """Keep it for `keep_s`; False when the name is taken already, and then nothing changes."""
        ...

    async def take(self, name: bytes) -> bytes | None:
        """The value, which is gone by that; None when it was never there, was taken or is too old."""
        ...
