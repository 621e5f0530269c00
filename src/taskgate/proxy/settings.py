"""Settings of the data plane.

Deadlines of callers, limits of one connection, the pool of every upstream, whom to believe.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from taskgate.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings:
    """How callers are served and upstreams are called. What a route may do is its own policy.

    header_s: seconds in which a request's head must have come. Default 10. Later 408 and close.
    body_idle_s: seconds without a byte of a body after which it is given up. Default 30.
    keep_alive_s: seconds that an idle caller's connection is kept. Default 75.
    handshake_s: seconds for a TLS handshake. Default 5.
    max_head_bytes: largest request head. Default 65536. Above it 431.
    max_headers: most headers of a request. Default 200. Above it 431.
    max_body_bytes: largest body of a route that sets no other limit. Default 10485760 (10 MiB). Above it 413.
    body_ceiling_bytes: the most that a route may set. Default 1073741824 (1 GiB).
    replay_bytes: how much of a body is kept for a retry or a fallback. Default 65536.
    pending_per_address: most connections of one address that may wait for their first request. Default 1024. Above it
        the oldest go, if they have waited for half of `header_s`: thousands of workers behind one address may come back
        in the same moment. Above eight times as many the oldest go at once.
    pool_size: most connections to one upstream. Default 1024: a stream of events holds one for as long as it lasts, and
        what waits behind streams waits for ever. Tunnels (WebSockets) are not counted; each has a caller's connection.
    pool_waiting: most requests that wait for one of them. Default 1024. Above it 503.
    pool_wait_s: seconds that a request waits for a connection. Default 5. Then 503.
    pool_idle_s: seconds that an unused upstream connection is kept. Default 55.
    trusted_proxies: networks whose Forwarded and X-Forwarded-* are believed (10.0.0.0/8). Default none.
    forward_limit: most runs that are forwarded to one service at the same time (target `http`). Default 32.
    forward_drain_s: seconds that a stopping gateway lets such calls finish. Default 5.
    record_body_bytes: how much of each body is kept in a record of a call. Default 16384.
    record_backlog_bytes: most that may wait to be written; records above it are dropped and counted. Default 33554432.
    record_keep_s: seconds that records are kept. Default 604800 (7 days); 0 keeps for ever.
    credentials: what a policy's `set:NAME` gives an upstream, one `name = Header: value` on each line. Default none.
    pseudonym: what this gateway is called in Via. Default taskgate. Gateways behind one another need different ones.
    """

    header_s: float = 10.0
    body_idle_s: float = 30.0
    keep_alive_s: float = 75.0
    handshake_s: float = 5.0
    max_head_bytes: int = 64 << 10
    max_headers: int = 200
    max_body_bytes: int = 10 << 20
    body_ceiling_bytes: int = 1 << 30
    replay_bytes: int = 64 << 10
    pending_per_address: int = 1024
    pool_size: int = 1024
    pool_waiting: int = 1024
    pool_wait_s: float = 5.0
    pool_idle_s: float = 55.0
    trusted_proxies: tuple[str, ...] = ()
    forward_limit: int = 32
    forward_drain_s: float = 5.0
    record_body_bytes: int = 16 << 10
    record_backlog_bytes: int = 32 << 20
    record_keep_s: float = 604_800.0
    credentials: Secret = field(default=Secret(""))
    pseudonym: str = "taskgate"
