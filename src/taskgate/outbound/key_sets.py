"""The public keys of other people's token issuers, fetched from where the settings say and nowhere else.

A set is believed for ten minutes. A key that is not in it makes it be fetched again, at most once in half a minute, so
that a new key works soon and invented names cost nothing. While a fetch fails the set of before is served on, for a day
at most. Callers who need the same set wait for one fetch; a key of a set that is believed waits for none. The address
is judged by the rules of reach like any other, the connection goes to the judged address, TLS is verified, a redirect
is a failure, and size and time are bounded.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

from taskgate.clock import Clock
from taskgate.errors import StoreError, TaskgateError, Unavailable
from taskgate.identity.issuers import Issuer, read_issuers
from taskgate.identity.jose import VerifyingKey, read_key_set
from taskgate.lifespan import TaskSet
from taskgate.outbound.documents import WebDocuments
from taskgate.reach.pinning import Reach

_log = logging.getLogger(__name__)
BELIEVE_S = 600.0
RETRY_S = 30.0
STALE_S = 86_400.0
FETCH_S = 5.0
MAX_BYTES = 256 << 10
SITE = "default"


class _Held:
    """What is held of one issuer: its keys, and the monotonic moments of the last good fetch and of the last try."""

    __slots__ = ("fetching", "keys", "read_at", "tried_at")

    def __init__(self) -> None:
        self.keys: dict[str, VerifyingKey] | None = None
        self.read_at = self.tried_at = float("-inf")
        self.fetching: asyncio.Task[None] | None = None


class IssuerKeySets:
    """KeySets over https and from files; a part. At its start it reads the file of issuers into `issuers`."""

    def __init__(self, reach: Reach, *, clock: Clock, issuers_path: str = "") -> None:
        self._reach = reach
        self._clock = clock
        self._path = issuers_path
        self._held: dict[str, _Held] = {}
        self._tasks = TaskSet()
        self.issuers: dict[str, Issuer] = {}

    async def start(self) -> None:
        """Read who is believed. InvalidInput (SETTINGS_INVALID) when the file is not usable; no set is fetched yet."""
        if self._path:
            rows = await asyncio.to_thread(read_issuers, Path(self._path))
            self.issuers.update({row.issuer: row for row in rows})

    async def stop(self) -> None:
        """Give up what is being fetched."""
        await self._tasks.close()

    async def key(self, issuer: Issuer, key_id: str) -> VerifyingKey | None:
        """The key of that name, the only one for a token that names none; None when the issuer has none such.
        Unavailable when its keys were never seen, or not for a day."""
        held = self._held.setdefault(issuer.name, _Held())
        now, found = self._clock.monotonic(), _key(held.keys or {}, key_id)
        if found is not None and now - held.read_at < BELIEVE_S:
            return found
        if (now - held.read_at >= BELIEVE_S and now - held.tried_at >= RETRY_S) or held.fetching is not None:
            await self._fetch(issuer, held)
            found = _key(held.keys or {}, key_id)
        if found is None and self._clock.monotonic() - held.tried_at >= RETRY_S:
            await self._fetch(issuer, held)
            found = _key(held.keys or {}, key_id)
        if held.keys is None or self._clock.monotonic() - held.read_at >= STALE_S:
            raise Unavailable("the keys of this issuer cannot be had", code="ISSUER_AWAY", retry_after_s=RETRY_S)
        return found

    async def _fetch(self, issuer: Issuer, held: _Held) -> None:
        """Fetch the set, or wait for the fetch that is under way; a failure leaves everything as it is."""
        if held.fetching is None:
            held.tried_at = self._clock.monotonic()
            held.fetching = self._tasks.spawn(self._fetched(issuer, held), name=f"keys of {issuer.name}")
        await asyncio.wait({held.fetching})

    async def _fetched(self, issuer: Issuer, held: _Held) -> None:
        try:
            raw = await self._raw(issuer)
            held.keys = read_key_set(raw, algorithms=issuer.algorithms)
            held.read_at = self._clock.monotonic()
        except (TaskgateError, OSError, ValueError, RecursionError) as error:
            _log.warning("the keys of the issuer %s were not read: %s", issuer.name, error)
        finally:
            held.fetching = None

    async def _raw(self, issuer: Issuer) -> bytes:
        if issuer.jwks_path:
            return await asyncio.to_thread(_file, Path(issuer.jwks_path))
        tls = ssl.create_default_context(cafile=issuer.jwks_ca_path) if issuer.jwks_ca_path else None
        documents = WebDocuments(self._reach, max_bytes=MAX_BYTES, deadline_s=FETCH_S, tls=tls)
        return await documents.fetch(issuer.jwks_url, site_id=SITE)


def _key(keys: dict[str, VerifyingKey], key_id: str) -> VerifyingKey | None:
    if not key_id and len(keys) == 1:
        return next(iter(keys.values()))
    return keys.get(key_id) if key_id else None


def _file(path: Path) -> bytes:
    with path.open("rb") as file:
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise StoreError(f"{path} is too large for a key set")
    return raw
