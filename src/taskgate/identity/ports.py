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

    async def save(self, record: KeyRecord) -> None:
        """Keep it in the place of the one with this id; a key that was revoked stays so, whatever the record says."""
        ...

    async def find(self, key_id: str) -> KeyRecord | None: ...

    async def all(self) -> list[KeyRecord]:
        """Every key, revoked ones too, oldest first."""
        ...

    async def revoke(self, key_id: str, at: float) -> bool:
        """True when the key existed and was not revoked yet."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A join token as stored: the SHA-256 of its secret, and what the key will be that a worker gets for it.

    An empty `worker_id` lets the worker name itself. `key_days` None: its key does not end by itself.
    """

    id: str
    secret_sha256: bytes
    site_id: str
    scopes: frozenset[str]
    worker_id: str = ""
    key_days: float | None = None
    created_at: float
    created_by: str
    expires_at: float
    used_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Something taken back by name: a token, a subject, a certificate's name. What was issued until `before` is
    refused.

    After `keep_until` nothing lives that it could refuse.
    """

    name: str
    before: float
    keep_until: float


class TokenBook(Protocol):
    """Tokens that were given out to be used once, and names that were taken back."""

    async def invite(self, invitation: Invitation) -> None:
        """Keep a fresh invitation; those that ended a day ago are forgotten."""
        ...

    async def find(self, invitation_id: str) -> Invitation | None: ...

    async def use(self, invitation_id: str, at: float) -> bool:
        """Whether the caller may honour it: True for one caller in all, and for nobody once it has expired at `at`."""
        ...

    async def take_back(self, revocation: Revocation) -> None:
        """Keep it, or the later of two moments for a name that was taken back before; what is past its time goes."""
        ...

    async def taken_back(self, within_s: float) -> list[Revocation]:
        """What was kept in the last `within_s` seconds by the store's own clock, in no order; infinity gives all."""
        ...


class OneUse(Protocol):
    """Values that can be taken once, by whichever gateway is asked first: tickets, nonces."""

    async def put(self, name: bytes, value: bytes, *, keep_s: float) -> bool:
        """Keep it for `keep_s`; False when the name is taken already, and then nothing changes."""
        ...

    async def take(self, name: bytes) -> bytes | None:
        """The value, which is gone by that; None when it was never there, was taken or is too old."""
        ...
