"""The connections to one upstream: kept alive, given out last-in-first-out, never more than the cap.

Whoever finds none waits in a queue; a connection that comes back, or a fresh one, goes to the longest waiting. A
failed connect fails the longest waiting. The name is judged anew at every connect and only a judged address is
connected to (INV-P2); a pool belongs to one site, so that no other site's judgement is borrowed through it.
Waiting ends by the asker's own deadline: it withdraws. Nothing here takes a timer per request.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Callable
from typing import Protocol

import msgspec

from taskgate.errors import TaskgateError, Unavailable, UpstreamBroken, UpstreamSlow
from taskgate.lifespan import TaskSet
from taskgate.proxy.condition import Condition
from taskgate.proxy.ports import Pinner
from taskgate.proxy.settings import ProxySettings
from taskgate.proxy.upstream import Upstream
from taskgate.proxy.wire import Outgoing

_log = logging.getLogger(__name__)
FRESH_S = 1.0


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where connections of a pool lead, and for which site the address is judged."""

    scheme: str
    host: str
    port: int
    site_id: str

    @property
    def authority(self) -> str:
        """What stands in Host: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.scheme == "https" else 80
        return host if self.port == usual else f"{host}:{self.port}"


class Asker(Protocol):
    """Who wants a connection."""

    def connected(self, upstream: Upstream) -> None: ...

    def unreached(self, error: TaskgateError) -> None: ...


class Standing:
    """The connections that stand, as they see it themselves: `opened` counts them, given out or not."""

    __slots__ = ("opened",)

    opened: int

    def joined(self, upstream: Upstream) -> None:
        """A connection stands."""
        self.opened += 1

    def drop(self, upstream: Upstream) -> None:
        """Cut a connection; nobody hears of it again."""
        upstream.hearer = None
        upstream.is_sound = False
        upstream.wire.abort()

    def lend(self, upstream: Upstream) -> None:
        """A connection became a tunnel: it never comes back, and however long it lasts it keeps no call waiting."""
        upstream.is_lent = True
        self.opened -= 1
        self._freed()

    def _freed(self) -> None:
        """There is room for another connection."""


class Pool(Standing):
    """Connections to one origin. `opened` counts all that stand, given out or not."""

    __slots__ = ("_connecting", "_idle", "_pinner", "_retired", "_settings", "_tasks", "_tls", "_waiting", "condition",
                 "now", "origin", "outgoing")  # fmt: skip

    def __init__(
        self,
        origin: Origin,
        *,
        pinner: Pinner,
        settings: ProxySettings,
        tls: ssl.SSLContext | None,
        tasks: TaskSet,
        now: Callable[[], float],
        outgoing: Outgoing | None = None,
    ) -> None:
        self.origin = origin
        self.condition = Condition()
        self.outgoing = outgoing or Outgoing()
        self.now = now
        self.opened = 0
        self._pinner = pinner
        self._settings = settings
        self._tls = tls
        self._tasks = tasks
        self._idle: list[Upstream] = []
        self._waiting: deque[Asker] = deque()
        self._connecting = 0
        self._retired = False

    @property
    def use(self) -> tuple[int, int, int]:
        """Connections that are idle and used, and calls that wait for one."""
        return len(self._idle), self.opened - len(self._idle), len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether another connection may not be opened."""
        return self.opened + self._connecting >= self._settings.pool_size

    def take(self, asker: Asker, *, fresh: bool, connect_s: float) -> Upstream | None:
        """A connection at once, or None: then `connected` or `unreached` of the asker is called, unless it withdraws.

        `fresh`: only one that was used within the last second, for what must not be sent twice. Raises Unavailable
        when too many wait already.
        """
        found = self.ready(self.now(), fresh=fresh)
        if found is not None:
            return found
        idle = self._idle
        if len(self._waiting) >= self._settings.pool_waiting:
            raise Unavailable("too many calls wait for this service", code="POOL_FULL")
        self._waiting.append(asker)
        if idle and self.is_full:
            self.drop(idle.pop(0))
        self._grow(connect_s)
        return None

    def ready(self, now: float, *, fresh: bool) -> Upstream | None:
        """The unused connection that was used last, None when there is none that may be used now."""
        idle = self._idle
        if idle and now - idle[-1].idle_since < (FRESH_S if fresh else self._settings.pool_idle_s):
            return idle.pop()
        return None

    def withdraw(self, asker: Asker) -> None:
        """The asker waits no longer."""
        if asker in self._waiting:
            self._waiting.remove(asker)

    def give_back(self, upstream: Upstream) -> None:
        """A request was answered in full, or the connection is new: who waits longest gets it."""
        if (self._retired and not self._waiting) or not upstream.is_sound or upstream.transport.is_closing():
            self.drop(upstream)
        elif self._waiting:
            self._waiting.popleft().connected(upstream)
        else:
            upstream.idle_since = self.now()
            self._idle.append(upstream)

    def gone(self, upstream: Upstream) -> None:
        """A connection has ended."""
        if not upstream.is_lent:
            self.opened -= 1
        if upstream in self._idle:
            self._idle.remove(upstream)
        self._freed()

    def expire(self, *, retire: bool = False) -> None:
        """Cut what was unused for too long; `retire`: all unused ones, and keep none from now on."""
        self._retired = self._retired or retire
        earliest = float("inf") if self._retired else self.now() - self._settings.pool_idle_s
        for upstream in [one for one in self._idle if one.idle_since <= earliest]:
            self._idle.remove(upstream)
            self.drop(upstream)

    # ---------------------------------------------------------------- connecting

    def _freed(self) -> None:
        if self._waiting:
            self._grow(self._settings.pool_wait_s)

    def _grow(self, connect_s: float) -> None:
        while self._connecting < len(self._waiting) and not self.is_full:
            self._connecting += 1
            self._tasks.spawn(self._connect(connect_s), name=f"connect {self.origin.authority}")

    async def _connect(self, connect_s: float) -> None:
        try:
            async with asyncio.timeout(connect_s):
                upstream = await self._reach()
        except Exception as error:
            if not isinstance(error, OSError | TaskgateError):
                _log.exception("a connect failed as nobody expected")  # one service's, and the end of nothing else
            self._connecting -= 1
            if self._waiting:
                self._waiting.popleft().unreached(_told(error))
        except BaseException:
            self._connecting -= 1
            raise
        else:
            self._connecting -= 1
            self.give_back(upstream)
        if self._waiting:
            self._grow(connect_s)

    async def _reach(self) -> Upstream:
        origin = self.origin
        loop = asyncio.get_running_loop()
        addresses = await self._pinner.pin(origin.host, origin.port, scheme=origin.scheme, site_id=origin.site_id)
        failure: OSError = OSError("the name has no address")
        for address in addresses:
            try:
                _, upstream = await loop.create_connection(
                    lambda: Upstream(self),
                    address,
                    origin.port,
                    ssl=self._tls,
                    server_hostname=origin.host if self._tls is not None else None,
                )
            except OSError as error:
                failure = error
            else:
                return upstream
        raise failure


def _told(error: Exception) -> TaskgateError:
    """What a caller hears of a failed connect: never an address."""
    if isinstance(error, TimeoutError):
        return UpstreamSlow("the service could not be connected to in time", code="UPSTREAM_CONNECT_TIMEOUT")
    if isinstance(error, ssl.SSLError):
        return UpstreamBroken("the service did not prove who it is (TLS)", code="UPSTREAM_TLS")
    if isinstance(error, TaskgateError):
        return UpstreamBroken("the address of the service may not be connected to", code=error.code)
    return UpstreamBroken("the service cannot be connected to", code="UPSTREAM_UNREACHABLE")
