"""A request that is not proxied goes from a front to the gateway, over its Unix socket, as it came.

Nothing is decided about it here: not who calls, not whether it may. Its credential and every other end-to-end header
are passed on, framing is made anew, and who called is told in X-Forwarded-For: the gateway believes that socket, and
nobody else can reach it. The answer goes back without a word of ours: a caller cannot tell which process it met.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from taskgate.access import AccessNotes
from taskgate.identity.principal import Principal
from taskgate.proxy.admission import RouteLimits
from taskgate.proxy.call import Means, monotonic
from taskgate.proxy.counters import RouteCounters
from taskgate.proxy.exchange import Exchange
from taskgate.proxy.lane import Lane, Leg, Target
from taskgate.proxy.pieces import CHUNKED, UPGRADE, plain
from taskgate.proxy.pool import Origin, Pool
from taskgate.proxy.ports import Front, Head
from taskgate.proxy.reader import AnswerReader
from taskgate.proxy.refusal import ending, in_order, status_line
from taskgate.proxy.upstream import Upstream
from taskgate.routes.policy import BreakerRule, Effective, RetryRule, Timeouts
from taskgate.routes.service import Route, Service

SOCKET = "gateway.sock"
LONGEST_BODY = 1 << 40  # the gateway knows its limits
PATIENCE = Timeouts(connect_s=5.0, first_byte_s=900.0, idle_s=86_400.0)
NO_HOST = b"gateway"  # HTTP/1.0 needs none, and what is handed on is HTTP/1.1
SOMEBODY = Principal(id="", name="whoever the gateway finds")
OURS_TO_SAY = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
        b"content-length", b"expect", b"host", b"x-request-id", b"traceparent", b"forwarded", b"x-forwarded-for",
        b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-prefix",
    }
)  # fmt: skip


class GatewayPool(Pool):
    """Connections to the gateway's socket."""

    __slots__ = ("_path",)

    def __init__(self, path: Path, means: Means) -> None:
        super().__init__(
            Origin(scheme="http", host="gateway", port=80, site_id=""),
            pinner=_Nowhere(),
            settings=means.settings,
            tls=None,
            tasks=means.tasks,
            now=monotonic,
        )
        self._path = str(path)

    @property
    def is_full(self) -> bool:
        """Never: every connection of a caller that stays open (a worker, a journal) needs one of these."""
        return False

    async def _reach(self) -> Upstream:
        loop = asyncio.get_running_loop()
        _, upstream = await loop.create_unix_connection(lambda: Upstream(self), self._path)
        return upstream


class HandedOn(Exchange):
    """One request on its way to the gateway."""

    __slots__ = ()

    def start(self) -> None:
        """Forward it; who calls is the gateway's to find out."""
        self.started_at = monotonic()
        self.lane.counters.requests += 1
        self.lane.counters.active += 1
        self.principal = SOMEBODY
        self._begin()

    def _head_lines(self) -> bytes:
        head = self.head
        length = head.body_length
        framing = CHUNKED if length is None else b"content-length: %d\r\n" % length
        if not length and length is not None and head.method not in ("POST", "PUT", "PATCH"):
            framing = b""
        named = _named(head)
        return b"".join(
            (
                head.method.encode("ascii"), b" ", head.target, b" HTTP/1.1\r\nhost: ", head.host or NO_HOST, b"\r\n",
                *(
                    b"%b: %b\r\n" % pair
                    for pair in head.pairs
                    if pair[0] not in OURS_TO_SAY and (pair[0] not in named or pair[0] == b"via")
                ),
                b"x-request-id: ", self.request_id, b"\r\ntraceparent: ", self.traceparent.encode("ascii"),
                b"\r\nx-forwarded-for: ", plain(head.caller), b"\r\nx-forwarded-proto: ", head.scheme.encode("ascii"),
                b"\r\n", framing, UPGRADE if head.upgrade else b"", b"\r\n",
            )
        )  # fmt: skip

    def _answer_lines(self, answer: AnswerReader) -> bytes:
        if answer.length is not None and answer.status != 204:
            framing = b"content-length: %d\r\n" % answer.length
        else:
            framing = CHUNKED if self.is_framed else b""
        source = b"gateway-error-source: gateway\r\n" if answer.status >= 400 else b""
        head = b"".join(
            (
                status_line(answer.status), *answer.lines, framing, self._own_lines(), source,
                ending(self.head, keep_alive=not self.is_last),
            )
        )  # fmt: skip
        return (in_order(head) if answer.status >= 400 else head) + b"\r\n"

    def _note(self, access: AccessNotes, error: str, *, run_id: str) -> None:
        """The gateway writes down what reached it; here is told what did not, or was cut because it went away."""
        if error and error != "CALLER_GONE":
            super()._note(access, error, run_id=run_id)

    def _own_lines(self) -> bytes:
        return b"x-request-id: %b\r\n" % self.request_id


class HandingOn:
    """Claims whatever the data plane does not."""

    def __init__(self, path: Path, means: Means) -> None:
        service = Service(name="gateway", base_url="http://gateway", shared=True)
        route = Route(name="gateway", method="*", path="/{rest:path}")
        policy = Effective(
            scope="",
            timeouts=PATIENCE,
            max_body_bytes=LONGEST_BODY,
            breaker=BreakerRule(failures=0),
            retry=RetryRule(count=0),
        )
        self.pool = GatewayPool(path, means)
        self._means = means
        self._lane = Lane(
            service,
            route,
            policy=policy,
            legs=(Leg(pool=self.pool, target=Target(route.path, "")),),
            limits=RouteLimits(()),
            counters=RouteCounters(service="gateway", method="*", path="/"),
        )

    def __call__(self, front: Front, head: Head) -> HandedOn:
        """The item that hands this request on."""
        return HandedOn(self._means, front, head=head, lane=self._lane)


def _named(head: Head) -> set[bytes]:
    """The headers that Connection names: they were meant for us alone."""
    return {part.strip().lower() for name, value in head.pairs if name == b"connection" for part in value.split(b",")}


class _Nowhere:
    """No name is resolved on the way to the gateway."""

    async def pin(self, host: str, port: int, *, scheme: str, site_id: str) -> tuple[str, ...]:
        return ()
