"""What this gateway remembers of API keys, so that a request costs no read of the store.

A record is believed for `believe_s` (30 s). In the last third of that it is read again in the background when it is
used, so a key in use never waits for the store. An unknown key is always asked for, and refused while the store
cannot answer, or does not within half a second (fail closed).

What becomes of a remembered key whose time is over while the store cannot answer depends on who writes the store:

- Others write it too: the key is refused. Somebody else may have revoked it, and the news may have been lost.
- This process alone writes it (`is_sole`, the embedded stores): the key is believed for as long as the store is away,
  because every revocation passes through this process and is known here before it is known anywhere else. The store is
  asked again once a second while the key is used. So routes are served on while the database is down.

A revocation works at once: `forget` is called before the store is written, and again after it, here and, by news, in
other gateways. Before, because a write whose outcome is not known may have happened; after, because of the race that
matters: a read that began before a revocation may come back after it. Every `forget` raises the epoch, and a record
that was read under an older epoch is used for nothing: it is read again. Expiry is looked at with every use.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterable
from hashlib import sha256

from taskgate.clock import Clock
from taskgate.errors import StoreError, Unavailable
from taskgate.identity.keytext import KEY_LENGTH
from taskgate.identity.ports import KeyRecord, KeyRing
from taskgate.identity.principal import Kind, Principal
from taskgate.lifespan import TaskSet

RETRY_S = 1.0
PATIENCE_S = 0.5
_AWAY = (Unavailable, StoreError)
_NOBODY = bytes(32)
_UNDERSCORE = ord("_")


class Remembered:
    """A record and the principal it stands for, the monotonic moments until which it is believed and from which it is
    read again in the background."""

    __slots__ = ("principal", "record", "renew_at", "until")

    def __init__(self, record: KeyRecord, *, now: float, believe_s: float) -> None:
        self.record = record
        self.principal = principal_of(record)
        self.until = now + believe_s
        self.renew_at = self.until - believe_s / 3

    def is_good(self, now: float) -> bool:
        """Whether the key is neither revoked nor expired at wall time `now`."""
        record = self.record
        return record.revoked_at is None and (record.expires_at is None or now < record.expires_at)


class KeyRecall:
    """Keys by public id, each believed for a while; at most `limit` of them. `tasks` are its owner's."""

    def __init__(
        self,
        ring: KeyRing,
        clock: Clock,
        *,
        tasks: TaskSet,
        is_sole: bool = False,
        believe_s: float = 30.0,
        limit: int = 50_000,
    ) -> None:
        self._ring = ring
        self._clock = clock
        self._tasks = tasks
        self._is_sole = is_sole
        self._believe_s = believe_s
        self.patience_s = min(PATIENCE_S, self._believe_s / 6)
        self._limit = limit
        self._known: dict[str, Remembered] = {}
        self._epoch = 0

    def __contains__(self, key_id: object) -> bool:
        return key_id in self._known

    def learn(self, records: Iterable[KeyRecord]) -> None:
        """Remember records that were just read or written."""
        now = self._clock.monotonic()
        for record in records:
            self._known[record.id] = Remembered(record, now=now, believe_s=self._believe_s)
        while len(self._known) > self._limit:
            del self._known[next(iter(self._known))]

    def forget(self, key_id: str) -> None:
        """The record changes or has changed: whoever asks next reads it again, also where a read is under way."""
        self._epoch += 1
        self._known.pop(key_id, None)

    def proven(self, text: bytes) -> Remembered | None:
        """Whose key this is, from memory alone: one hash, one comparison in constant time, known id or not.

        None when it is wrong, has ended, or only the store can tell.
        """
        if len(text) != KEY_LENGTH or not text.startswith(b"tg_") or text[15] != _UNDERSCORE:
            return None
        found = self._known.get(text[3:15].decode("latin-1"))
        expected = _NOBODY if found is None else found.record.secret_sha256
        if not hmac.compare_digest(sha256(text[16:]).digest(), expected) or found is None:
            return None
        now = self._clock.monotonic()
        if now >= found.renew_at:
            if now >= found.until:
                return None
            self._renew(found, now)
        return found if found.is_good(self._clock.now()) else None

    def still(self, found: Remembered) -> bool:
        """Whether what `proven` found holds now, without a word from its bearer: for who is known to show the very same
        key again. False also where it is time to read the record again."""
        if self._known.get(found.record.id) is not found or self._clock.monotonic() >= found.renew_at:
            return False
        return found.is_good(self._clock.now())

    def holds(self, key_id: str) -> bool:
        """Whether the key is known to be good, from memory alone; False also where it is time to ask the store."""
        found = self._known.get(key_id)
        if found is None or self._clock.monotonic() >= found.renew_at:
            return False
        return found.is_good(self._clock.now())

    async def find(self, key_id: str) -> Remembered | None:
        """The key as it may be believed now; None when there is none. Unavailable when nobody can tell."""
        found = self._known.get(key_id)
        if found is None or not (self._is_sole or self._clock.monotonic() < found.until):
            return await self._read(key_id)
        now = self._clock.monotonic()
        if now < found.until:
            if now >= found.renew_at:
                self._renew(found, now)
            return found
        try:
            return await self._read(key_id)
        except _AWAY as error:
            if self._known.get(key_id) is not found:
                raise Unavailable("nobody can tell whether this key is good") from error
            return self._believed_on(found)

    async def is_good(self, key_id: str) -> bool:
        """Whether the key may still be used: for connections that outlive the moment they were opened."""
        found = await self.find(key_id)
        return found is not None and found.is_good(self._clock.now())

    async def _read(self, key_id: str) -> Remembered | None:
        while True:
            epoch = self._epoch
            try:
                async with asyncio.timeout(self.patience_s):
                    record = await self._ring.find(key_id)
            except TimeoutError:
                raise Unavailable("the store of keys does not answer", retry_after_s=RETRY_S) from None
            if epoch == self._epoch:
                break
        if record is None:
            self._known.pop(key_id, None)
            return None
        self.learn([record])
        return self._known.get(key_id) or Remembered(record, now=0.0, believe_s=0.0)

    def _renew(self, found: Remembered, now: float) -> None:
        found.renew_at = now + RETRY_S
        self._tasks.spawn(self._renewed(found), name="reading a key again")

    async def _renewed(self, found: Remembered) -> None:
        try:
            await self._read(found.record.id)
        except _AWAY:
            if self._is_sole:
                self._believed_on(found)

    def _believed_on(self, found: Remembered) -> Remembered:
        """The store is away, and nobody but this process could have changed the record."""
        now = self._clock.monotonic()
        found.until, found.renew_at = now + self._believe_s, now + RETRY_S
        return found


def principal_of(record: KeyRecord) -> Principal:
    """Who calls with this key."""
    kind: Kind = record.kind  # type: ignore[assignment]  # checked when the key was made
    return Principal(
        id=record.id,
        name=record.name,
        kind=kind,
        scopes=record.scopes,
        site_id=record.site_id,
        user_id=record.user_id,
        app_id=record.app_id,
        prefixes=record.prefixes,
        worker_id=record.worker_id,
        expires_at=record.expires_at,
    )
