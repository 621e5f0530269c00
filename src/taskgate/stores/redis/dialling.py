"""From a URL to an open connection of the driver, logged in, within a bounded time.

`redis://` and `rediss://` (TLS; the server's certificate and name are checked unless the URL says otherwise with
`ssl_cert_reqs` and `ssl_check_hostname`; `ssl_ca_certs`, `ssl_certfile` and `ssl_keyfile` name files).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from redis.asyncio.connection import Connection, SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from taskgate.errors import InvalidInput
from taskgate.secret import masked
from taskgate.stores.redis.failures import translated

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0
TLS_OPTIONS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"})


class Dialler:
    """Opens connections to one server. InvalidInput for a URL that names none."""

    def __init__(self, url: str, *, within_s: float) -> None:
        self.place = masked(url)
        self._within_s = within_s
        parts = urlsplit(url)
        is_tls = parts.scheme == "rediss"
        strange = parse_qs(parts.query).keys() - (TLS_OPTIONS if is_tls else frozenset())
        if parts.scheme not in ("redis", "rediss") or not parts.hostname or strange:
            why = f"the option {min(strange)} is unknown" if strange else "it must be redis://HOST or rediss://HOST"
            raise InvalidInput(f"{self.place}: {why}", code="SETTINGS_INVALID", extra={"path": "redis.url"})
        self._kind = SSLConnection if is_tls else Connection
        self._options: dict[str, Any] = {**parse_url(url)}
        self._options.pop("connection_class", None)

    async def dial(self) -> Connection:
        """A connection that answers; Unavailable or StoreError within the time that was set."""
        connection: Connection = self._kind(
            **self._options,
            protocol=2,
            client_name="taskgate",
            driver_info=None,
            socket_keepalive=True,
            socket_timeout=None,
            socket_connect_timeout=self._within_s,
            retry=Retry(NoBackoff(), 0),
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        try:
            async with asyncio.timeout(self._within_s):
                await connection.connect()  # type: ignore[no-untyped-call]
        except Exception as error:
            await hang_up(connection)
            raise translated(error) from error
        return connection


async def hang_up(connection: Connection) -> None:
    """End a connection, whatever state it is in, without waiting for the other side."""
    try:
        await connection.disconnect(nowait=True)
    except OSError:
        return  # it was over already


def pauses(longest_s: float = LONGEST_PAUSE_S) -> Iterator[float]:
    """Seconds between tries of coming back: growing, and never the same for two gateways."""
    pause_s = FIRST_PAUSE_S
    while True:
        yield pause_s * random.uniform(0.5, 1.0)
        pause_s = min(2 * pause_s, longest_s)
