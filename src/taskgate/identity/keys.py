"""API keys: made, shown once, checked, rotated, revoked.

A key is `tg_<id>_<secret>`; the ring keeps the SHA-256 of the secret. Checking costs one hash and a comparison in
constant time, also for an unknown id, and no read of the store while the record is fresh (`recall.py`).
A revocation works at once in this process, for live connections through the event `KeyRevoked`, and in other
gateways through their news; where news are cut, within the time a record is believed.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import replace
from typing import get_args

from taskgate.bus import Bus
from taskgate.clock import Clock
from taskgate.errors import InvalidInput, Limited, NotFound, Unauthenticated
from taskgate.events import KeyRevoked
from taskgate.identity.credentials import is_person_id, is_prefix, is_site_id
from taskgate.identity.jose import looks_like_token
from taskgate.identity.keytext import digest_of_secret, new_key, parse_key
from taskgate.identity.ports import KeyRecord, KeyRing, OneUse
from taskgate.identity.principal import SCOPES, Kind, Principal
from taskgate.identity.recall import KeyRecall
from taskgate.identity.revocations import Announcer, News
from taskgate.identity.standing import Standing
from taskgate.identity.tickets import Tickets
from taskgate.ids import is_worker_id
from taskgate.lifespan import TaskSet

TOPIC = "identity.keys"
MAX_OVERLAP_S = 30 * 86_400.0
MAX_PREFIXES = 20
MAX_LIFE_S = 100 * 366 * 86_400.0
_NOBODY = bytes(32)


class Keys:
    """The keys of a gateway. `recall` tells whether a key is still good, `standing` whether somebody who came in may
    stay, `tickets` gives one-use credentials.

    `is_sole`: this process alone writes the ring, so what it remembers stays true while the store is away.
    """

    def __init__(
        self,
        ring: KeyRing,
        *,
        clock: Clock,
        bus: Bus,
        signals: Announcer | None = None,
        is_sole: bool = False,
        believe_s: float = 30.0,
        one_use: OneUse | None = None,
    ) -> None:
        self._ring = ring
        self._clock = clock
        self._bus = bus
        self._signals = signals
        self._news: News | None = None
        self.tasks = TaskSet()
        self.recall = KeyRecall(ring, clock, tasks=self.tasks, is_sole=is_sole, believe_s=believe_s)
        self.standing = Standing(self.recall)
        self.tickets = Tickets(clock, is_good=self.standing.holds, kept=one_use)
        bus.subscribe(KeyRevoked, lambda event: self.recall.forget(event.key_id))

    async def start(self) -> None:
        """Read every key into memory and listen for changes made by other gateways."""
        if self._signals is not None:
            self._news = self._signals.subscribe(TOPIC)
            self.tasks.spawn(self._listen(self._news), name="key news")
        self.recall.learn(await self._ring.all())

    async def stop(self) -> None:
        """Stop listening."""
        await self.tasks.close()
        if self._news is not None:
            self._news.close()
            self._news = None

    async def authenticate(self, text: str, *, remembered_only: bool = False) -> Principal:
        """Whose key, or token, this is. Unauthenticated when it is malformed, unknown, wrong, expired or revoked.

        With `remembered_only` what is not in memory is refused as Limited without reading the store: for callers
        that failed too often. Unavailable while the store cannot confirm a key (fail closed).
        """
        if looks_like_token(text) and self.standing.tokens is not None:
            if remembered_only and self.standing.tokens.recalled(text.encode("utf-8", "replace")) is None:
                raise Limited("too many failed attempts from this address", retry_after_s=1.0)
            return await self.standing.tokens.authenticate(text)
        parts = parse_key(text)
        if parts is None:
            raise Unauthenticated("the credential is not valid")
        key_id, secret = parts
        if remembered_only and key_id not in self.recall:
            raise Limited("too many failed attempts from this address", retry_after_s=1.0)
        found = await self.recall.find(key_id)
        expected = _NOBODY if found is None else found.record.secret_sha256
        is_right = hmac.compare_digest(digest_of_secret(secret), expected)
        if found is None or not is_right:
            raise Unauthenticated("the credential is not valid")
        if not found.is_good(self._clock.now()):
            code = "KEY_EXPIRED" if found.record.revoked_at is None else "KEY_REVOKED"
            raise Unauthenticated("this key has expired or was revoked", code=code)
        return found.principal

    async def create(
        self,
        by: Principal | None,
        *,
        name: str,
        scopes: Iterable[str],
        kind: str = "user",
        site_id: str = "default",
        user_id: str = "",
        app_id: str = "",
        prefixes: Iterable[str] = (),
        worker_id: str = "",
        expires_at: float | None = None,
    ) -> tuple[KeyRecord, str]:
        """A new key: its record and its text, which nobody can show again. `by` None is the gateway itself."""
        if by is not None:
            by.require("admin")
        now = self._clock.now()
        key_id, secret, text = new_key()
        record = KeyRecord(
            id=key_id,
            name=name,
            kind=kind,
            secret_sha256=digest_of_secret(secret),
            last4=secret[-4:],
            scopes=frozenset(scopes),
            site_id=site_id,
            user_id=user_id,
            app_id=app_id,
            created_at=now,
            expires_at=expires_at,
            prefixes=tuple(prefixes),
            worker_id=worker_id,
        )
        _check(record, now)
        await self._ring.save(record)
        self.recall.learn([record])
        return record, text

    async def revoke(self, by: Principal | None, key_id: str) -> KeyRecord:
        """End a key at once, everywhere. Revoking it again changes nothing; NotFound for an unknown id.

        Where the store cannot be written this fails, and the key is refused here until the store can be asked again.
        """
        if by is not None:
            by.require("admin")
        self.recall.forget(key_id)
        record = await self._found(by, key_id)
        if record.revoked_at is None:
            try:
                await self._ring.revoke(key_id, self._clock.now())
            finally:
                self.recall.forget(key_id)
            await self._changed(key_id, is_revoked=True)
            record = await self._found(by, key_id)
        return record

    async def rotate(self, by: Principal | None, key_id: str, *, overlap_s: float = 0.0) -> tuple[KeyRecord, str]:
        """A new key with the rights of an old one, which works for `overlap_s` more and then no longer."""
        old = await self._found(by, key_id)
        now = self._clock.now()
        if old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= now):
            raise InvalidInput("a key that has ended cannot be rotated", code="KEY_ENDED")
        if not 0 <= overlap_s <= MAX_OVERLAP_S:
            raise InvalidInput(f"overlap_s is within 0..{MAX_OVERLAP_S:.0f}", extra={"path": "/overlap_s"})
        new_key_id, secret, text = new_key()
        fresh = replace(
            old,
            id=new_key_id,
            secret_sha256=digest_of_secret(secret),
            last4=secret[-4:],
            created_at=now,
            rotated_from=old.id,
        )
        await self._ring.save(fresh)
        self.recall.learn([fresh])
        if overlap_s == 0:
            await self.revoke(by, key_id)
        else:
            ends_at = now + overlap_s if old.expires_at is None else min(old.expires_at, now + overlap_s)
            try:
                await self._ring.save(replace(old, expires_at=ends_at))
            finally:
                self.recall.forget(key_id)
            await self._changed(key_id, is_revoked=False)
        return fresh, text

    async def all(self, by: Principal | None = None) -> list[KeyRecord]:
        """Every key, ended ones too, oldest first."""
        if by is not None:
            by.require("admin")
        return await self._ring.all()

    async def _found(self, by: Principal | None, key_id: str) -> KeyRecord:
        if by is not None:
            by.require("admin")
        record = await self._ring.find(key_id)
        if record is None:
            raise NotFound("no such key", code="UNKNOWN_KEY")
        return record

    async def _changed(self, key_id: str, *, is_revoked: bool) -> None:
        self.recall.forget(key_id)
        if is_revoked:
            self._bus.publish(KeyRevoked(key_id))
        if self._signals is not None:
            await self._signals.publish(TOPIC, (b"-" if is_revoked else b"~") + key_id.encode())

    async def _listen(self, news: News) -> None:
        while True:
            text = (await news.next()).decode("ascii", "replace")
            self.recall.forget(text[1:])
            if text[:1] == "-":
                self._bus.publish(KeyRevoked(text[1:]))


def _check(record: KeyRecord, now: float) -> None:
    """InvalidInput, naming the member, for a key that must not exist."""
    unknown = sorted(record.scopes - SCOPES)
    complaints = {
        "/name": not (1 <= len(record.name) <= 128 and record.name.isprintable()),
        "/kind": record.kind not in get_args(Kind),
        "/scopes": bool(unknown) or not record.scopes,
        "/site_id": not is_site_id(record.site_id),
        "/user_id": not is_person_id(record.user_id),
        "/app_id": not is_person_id(record.app_id),
        "/prefixes": len(record.prefixes) > MAX_PREFIXES or not all(map(is_prefix, record.prefixes)),
        "/worker_id": record.worker_id != "" and not is_worker_id(record.worker_id),
        "/expires_at": record.expires_at is not None and not now < record.expires_at <= now + MAX_LIFE_S,
    }
    for path, is_wrong in complaints.items():
        if is_wrong:
            hint = f"; there is no scope {unknown[0][:40]}" if path == "/scopes" and unknown else ""
            raise InvalidInput(f"{path[1:]} is not allowed for a key{hint}", extra={"path": path})
