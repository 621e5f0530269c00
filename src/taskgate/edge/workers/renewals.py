"""Another credential on a link that lives: one that the worker has fetched, or its token renewed here.

A worker may reach no door but this link, so it can ask on it for the token that it came with to live on. It gets the
same rights for another while, never more, and no faster than one a second. What cannot be renewed is told to the worker
and costs it nothing: the link lives until its credential ends. A credential that the worker itself shows and that is
not good, or somebody else's, ends the link.
"""

from __future__ import annotations

from taskgate.edge.workers.rooms import WorkerRooms
from taskgate.errors import CallerError, Forbidden, Limited, NotNow
from taskgate.identity.principal import Principal
from taskgate.limits.bucket import Bucket, Rate
from taskgate.wire.messages import Credential, Failure

PACE = Rate(rate=1.0, burst=3.0)


class Renewals:
    """The credentials of one link, one after the other."""

    def __init__(self, rooms: WorkerRooms) -> None:
        self._rooms = rooms
        self._bucket = Bucket(PACE)

    async def of(
        self, principal: Principal, token: str, *, worker_id: str
    ) -> tuple[Principal | None, Credential | Failure | None]:
        """Whom the link stands on from now on (None: as before), and what to say. Without a `token` the one of before
        is renewed. Unauthenticated for one that is not good."""
        if token:
            return await self._rooms.renewed(principal, token, worker_id=worker_id), None
        try:
            text, fresh = await self._prolonged(principal, worker_id)
        except (CallerError, NotNow) as error:
            return None, Failure(code=error.code, detail=error.detail)
        return fresh, Credential(token=text)

    async def _prolonged(self, principal: Principal, worker_id: str) -> tuple[str, Principal]:
        tokens = self._rooms.keys.standing.tokens
        if tokens is None:
            raise Forbidden("there are no tokens here", code="NOT_RENEWABLE")
        wait_s = self._bucket.take(self._rooms.clock.monotonic())
        if wait_s:
            raise Limited("this link asks for tokens too often", retry_after_s=wait_s)
        return await tokens.renew(principal, worker_id=worker_id)
