"""What this gateway remembers of API keys, so that a request costs no read of the store.

A record is believed for at most `believe_s`; then it is read again, and while the store cannot answer the
key is refused (fail closed). A revocation is forgotten at once, here by a call and in other gateways by news.

The race that matters: a read that began before a revocation may come back after it. Every `forget` raises the
epoch, and a record that was read under an older epoch is used for nothing: it is read again.
"""

from __future__ import annotations

from collections.abc import Iterable

from taskgate.clock import Clock
from taskgate.identity.ports import KeyRecord, KeyRing
from taskgate.identity.principal import Kind, Principal


class Remembered:
    """A record, the principal it stands for, and the monotonic moment until which it is believed."""

    __slots__ = ("principal", "record", "until")

    def __init__(self, record: KeyRecord, until: float) -> None:
        self.record = record
        self.principal = principal_of(record)
        self.until = until

    def is_good(self, now: float) -> bool:
        """Whether the key is neither revoked nor expired at wall time `now`."""
        record = self.record
        return record.revoked_at is None and (record.expires_at is None or now < record.expires_at)


class KeyRecall:
    """Keys by public id, each believed for a while; at most `limit` of them."""

    def __init__(self, ring: KeyRing, clock: Clock, *, believe_s: float = 30.0, limit: int = 50_000) -> None:
        self._ring = ring
        self._clock = clock
        self._believe_s = believe_s
        self._limit = limit
        self._known: dict[str, Remembered] = {}
        self._epoch = 0

    def __contains__(self, key_id: object) -> bool:
        return key_id in self._known

    def learn(self, records: Iterable[KeyRecord]) -> None:
        """Remember records that were just read or written."""
        until = self._clock.monotonic() + self._believe_s
        for record in records:
            self._known[record.id] = Remembered(record, until)
        while len(self._known) > self._limit:
            del self._known[next(iter(self._known))]

    def forget(self, key_id: str) -> None:
        """The record changed: whoever asks next reads it again, also where a read is under way now."""
        self._epoch += 1
        self._known.pop(key_id, None)

    async def find(self, key_id: str) -> Remembered | None:
        """The key as of at most `believe_s` ago; None when there is none. Unavailable when the store is away."""
        found = self._known.get(key_id)
        if found is not None and self._clock.monotonic() < found.until:
            return found
        while True:
            epoch = self._epoch
            record = await self._ring.find(key_id)
            if epoch == self._epoch:
                break
        if record is None:
            self._known.pop(key_id, None)
            return None
        self.learn([record])
        return self._known.get(key_id) or Remembered(record, 0.0)

    async def is_good(self, key_id: str) -> bool:
        """Whether the key may still be used: for connections that outlive the moment they were opened."""
        found = await self.find(key_id)
        return found is not None and found.is_good(self._clock.now())


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
    )
