"""Whole calls over the data plane's own pools and breakers, for parts of the gateway that call services themselves.

One request, one answer, in memory. Nothing is tried again here, so a kept connection is taken only while it is fresh:
a request must not fail because its service closed an old one. A call that is cancelled or overdue cuts its connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from taskgate.errors import TaskgateError, TooLarge, Unavailable, UpstreamBroken, UpstreamSlow
from taskgate.limits.breaker import Breaker
from taskgate.proxy.call import monotonic
from taskgate.proxy.caller import Reply
from taskgate.proxy.pieces import Passing
from taskgate.proxy.pool import Pool
from taskgate.proxy.ports import Pair
from taskgate.proxy.reader import AnswerReader
from taskgate.proxy.settings import ProxySettings
from taskgate.proxy.upstream import Upstream
from taskgate.proxy.upstreams import Upstreams
from taskgate.proxy.vouching import Vouching
from taskgate.routes.policy import Effective, effective
from taskgate.routes.service import Service


class PoolCaller:
    """Caller over `upstreams`. `credentials` are ready header lines by the name that a policy's `set:NAME` says."""

    def __init__(
        self,
        upstreams: Upstreams,
        settings: ProxySettings,
        *,
        credentials: Mapping[str, bytes],
        vouching: Vouching | None = None,
    ) -> None:
        self._vouching = vouching or Vouching()
        self._upstreams = upstreams
        self._settings = settings
        self._credentials = credentials
        self._via = Passing(settings.pseudonym).via

    async def call(
        self,
        service: Service,
        method: str,
        *,
        target: bytes,
        headers: Sequence[Pair],
        body: bytes,
        timeout_s: float,
        max_bytes: int,
    ) -> Reply:
        """As `Caller` says."""
        policy = effective(service.policy, defaults=Effective())
        pool = self._upstreams.pool(service.base_url, site_id=service.site_id)
        breaker = self._upstreams.breaker(service.base_url, policy.breaker, site_id=service.site_id)
        head = b"".join(
            (
                method.encode("ascii"), b" ", target, b" HTTP/1.1\r\nhost: ", pool.origin.authority.encode("ascii"),
                b"\r\n", *(b"%b: %b\r\n" % pair for pair in headers),
                self._vouching.signed((service.site_id, service.name), headers), self._via, self._credential(policy),
                b"content-length: %d\r\n\r\n" % len(body),
            )
        )  # fmt: skip
        ticket = _admitted(breaker)
        well: bool | None = None
        why = ""
        try:
            reply = await self._exchange(
                _Exchange(pool, head + body, max_bytes=max_bytes), policy=policy, timeout_s=timeout_s
            )
            well, why = reply.status < 500, f"it answered {reply.status}"
            return reply
        except (UpstreamBroken, UpstreamSlow) as error:
            well, why = False, error.detail
            raise
        finally:
            _told(breaker, ticket, well=well)
            if well is not None:
                pool.condition.note(well=well, why=why)

    async def _exchange(self, exchange: _Exchange, *, policy: Effective, timeout_s: float) -> Reply:
        reach_s = self._settings.pool_wait_s if exchange.pool.is_full else policy.timeouts.connect_s
        try:
            async with asyncio.timeout(timeout_s):
                await exchange.reach(reach_s, connect_s=policy.timeouts.connect_s)
                return await exchange.answer
        except TimeoutError:
            raise UpstreamSlow("the service did not answer in time") from None
        finally:
            exchange.leave()

    def _credential(self, policy: Effective) -> bytes:
        kind, _, name = policy.credential.partition(":")
        return self._credentials.get(name, b"") if kind == "set" else b""


class _Hearing:
    """The answer to one request, as it comes from the connection."""

    def __init__(self, pool: Pool, *, max_bytes: int) -> None:
        self.pool = pool
        self.answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._upstream: Upstream | None = None
        self._max_bytes = max_bytes
        self._status = 0
        self._headers: tuple[Pair, ...] = ()
        self._pieces: list[bytes] = []
        self._size = 0

    def interim(self, status: int, lines: bytes) -> None:
        """Nobody waits for these."""

    def answered(self, answer: AnswerReader, piece: bytes, *, is_end: bool) -> None:
        self._status = answer.status
        self._headers = answer.pairs
        self.more(piece, is_end=is_end)

    def more(self, piece: bytes, *, is_end: bool) -> None:
        self._size += len(piece)
        if self._size > self._max_bytes:
            extra: dict[str, object] = {"limit_bytes": self._max_bytes}
            self._fail(TooLarge("the answer of the service is too large", code="ANSWER_TOO_LARGE", extra=extra))
            return
        self._pieces.append(piece)
        if is_end:
            upstream, self._upstream = self._upstream, None
            if upstream is not None:
                self.pool.give_back(upstream)
            if not self.answer.done():
                self.answer.set_result(Reply(status=self._status, headers=self._headers, body=b"".join(self._pieces)))

    def broke(self, why: str) -> None:
        self._upstream = None
        self._fail(UpstreamBroken(f"the service gave no valid answer: {why}"))

    def paced(self, *, is_open: bool) -> None:
        """All of the request was handed over already."""

    def switched(self, answer: AnswerReader) -> None:
        self._fail(UpstreamBroken("the service changed the protocol"))

    def _fail(self, error: TaskgateError) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.home.drop(upstream)
        if not self.answer.done():
            self.answer.set_exception(error)


class _Exchange(_Hearing):
    """One request on its way: asks for a connection, hears the answer. `leave` at the end, whatever came."""

    def __init__(self, pool: Pool, request: bytes, *, max_bytes: int) -> None:
        super().__init__(pool, max_bytes=max_bytes)
        self._request = request
        self._reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def reach(self, within_s: float, *, connect_s: float) -> None:
        """Get a connection and send the request. What keeps it from there is the answer, or raised."""
        waits = self.pool.is_full
        upstream = self.pool.take(self, fresh=True, connect_s=connect_s)
        if upstream is not None:
            self.connected(upstream)
        either: set[asyncio.Future[Any]] = {self._reached, self.answer}
        done, _ = await asyncio.wait(either, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        if not done and waits:
            raise Unavailable("all connections to this service are in use", code="POOL_WAIT")
        if not done:
            raise UpstreamSlow("the service could not be connected to in time", code="UPSTREAM_CONNECT_TIMEOUT")

    def leave(self) -> None:
        """Nothing of this exchange is left: not in the queue of the pool, not on a connection."""
        self.pool.withdraw(self)
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.home.drop(upstream)
        self._reached.cancel()
        if not self.answer.cancel() and not self.answer.cancelled():
            self.answer.exception()  # told or not, it is of no further interest

    def connected(self, upstream: Upstream) -> None:
        self._upstream = upstream
        upstream.begin(self, is_head=False, may_switch=False)
        upstream.wire.write(self._request)
        if not self._reached.done():
            self._reached.set_result(None)

    def unreached(self, error: TaskgateError) -> None:
        self._fail(error)


def _admitted(breaker: Breaker | None) -> int:
    """The breaker's ticket, 0 without one. Unavailable while it lets nothing through."""
    if breaker is None:
        return 0
    now = monotonic()
    ticket = breaker.admit(now)
    if not ticket:
        detail = "the service fails and is left alone for a while"
        raise Unavailable(detail, retry_after_s=breaker.retry_after_s(now), code="UPSTREAM_OPEN")
    return ticket


def _told(breaker: Breaker | None, ticket: int, *, well: bool | None) -> None:
    if breaker is None or not ticket:
        return
    now = monotonic()
    if well is None:
        breaker.abandoned(ticket, now)
    elif well:
        breaker.succeeded(ticket, now)
    else:
        breaker.failed(ticket, now)
