"""Join tokens: how a machine that has nothing yet gets a key of its own.

An administrator makes one, somebody types it into the new machine, and the first who shows it gets a durable key that
is bound to one worker id. It lives an hour at most and works once, at whichever gateway: the store decides in one
guarded statement who may honour it. A token that was used up stays refused even where making the key failed
afterwards: then a new one is made. What its text is nobody can look up, only its SHA-256 is kept.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable

from taskgate.clock import Clock
from taskgate.errors import Forbidden, InvalidInput, Unauthenticated
from taskgate.identity.credentials import is_site_id
from taskgate.identity.keys import Keys
from taskgate.identity.keytext import digest_of_secret, new_key
from taskgate.identity.ports import Invitation, KeyRecord, TokenBook
from taskgate.identity.principal import SCOPES, Principal
from taskgate.ids import is_worker_id

PREFIX = "join:"
MAX_LIFE_S = 3600.0
WORKER_SCOPES = frozenset({"worker", "serve:*"})
_SHAPE = re.compile(r"tgj_([a-z0-9]{12})_([A-Za-z0-9_-]{43})")
_NOBODY = bytes(32)
DAY_S = 86_400.0


class Invitations:
    """Join tokens of one installation."""

    def __init__(self, book: TokenBook, keys: Keys, *, clock: Clock) -> None:
        self._book = book
        self._keys = keys
        self._clock = clock

    async def invite(
        self,
        by: Principal,
        *,
        site_id: str = "default",
        scopes: Iterable[str] = ("worker",),
        worker_id: str = "",
        life_s: float = MAX_LIFE_S,
        key_days: float | None = None,
    ) -> tuple[Invitation, str]:
        """A fresh join token: what is kept of it, and its text, which nobody can show again."""
        by.require("admin")
        now, wanted = self._clock.now(), frozenset(scopes)
        complaints = {
            "/site_id": not is_site_id(site_id),
            "/scopes": not wanted or not wanted <= WORKER_SCOPES & SCOPES,
            "/worker_id": worker_id != "" and not is_worker_id(worker_id),
            "/life_s": not 0 < life_s <= MAX_LIFE_S,
            "/key_days": key_days is not None and not 0 < key_days <= 36_600,
        }
        for path, is_wrong in complaints.items():
            if is_wrong:
                raise InvalidInput(f"{path[1:]} is not allowed for a join token", extra={"path": path})
        invitation_id, secret, text = new_key()
        invitation = Invitation(
            id=invitation_id,
            secret_sha256=digest_of_secret(secret),
            site_id=site_id,
            scopes=wanted,
            worker_id=worker_id,
            key_days=key_days,
            created_at=now,
            created_by=by.id,
            expires_at=now + life_s,
        )
        await self._book.invite(invitation)
        return invitation, text.replace("tg_", "tgj_", 1)

    async def authenticate(self, text: str) -> Principal:
        """Who shows a join token: nobody who may do anything but join. Unauthenticated when it is not good."""
        found = await self._good(text)
        return Principal(
            id=PREFIX + found.id, name="join token", kind="worker", site_id=found.site_id, worker_id=found.worker_id
        )

    async def redeem(self, by: Principal, *, worker_id: str) -> tuple[KeyRecord, str]:
        """The key for the worker that shows its join token, and the key's text. Unauthenticated when somebody else was
        first, Forbidden for another worker's."""
        if not is_joining(by):
            raise Forbidden("joining needs a join token", code="NO_JOIN_TOKEN")
        if not is_worker_id(worker_id):
            raise InvalidInput("a worker id is 1-128 characters of A-Za-z0-9_.:@-", extra={"path": "/worker_id"})
        if by.worker_id not in ("", worker_id):
            raise Forbidden("this join token is another worker's", code="WORKER_ID_BOUND")
        found = await self._book.find(by.id.removeprefix(PREFIX))
        now = self._clock.now()
        if found is None or not await self._book.use(found.id, now):
            raise _refused()
        return await self._keys.create(
            None,
            name=f"worker {worker_id}"[:128],
            scopes=found.scopes,
            kind="worker",
            site_id=found.site_id,
            worker_id=worker_id,
            expires_at=None if found.key_days is None else now + found.key_days * DAY_S,
        )

    async def _good(self, text: str) -> Invitation:
        shape = _SHAPE.fullmatch(text)
        if shape is None:
            raise _refused()
        found = await self._book.find(shape[1])
        expected = _NOBODY if found is None else found.secret_sha256
        is_right = hmac.compare_digest(digest_of_secret(shape[2]), expected)
        if found is None or not is_right or found.used_at is not None or self._clock.now() >= found.expires_at:
            raise _refused()
        return found


def looks_like_invitation(text: str) -> bool:
    """Whether the text is a join token by its beginning."""
    return text.startswith("tgj_")


def is_joining(principal: Principal) -> bool:
    """Whether this is who shows a join token: good for one thing, at one door."""
    return principal.id.startswith(PREFIX)


def _refused() -> Unauthenticated:
    return Unauthenticated("the join token is not valid, was used or has expired", code="BAD_JOIN_TOKEN")
