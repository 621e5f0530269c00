"""What all connections of one listener share, and the factory that the server calls for each of them.

uvicorn keeps its part: listening, TLS, the life of the application, the orderly end. It asks for a protocol with
`(config, server_state, app_state, _loop)`, keeps it in `server_state.connections` and ends it by `shutdown()`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from taskgate.proxy.head import Draft, Peer
from taskgate.proxy.line import Line
from taskgate.proxy.pending import Pending
from taskgate.proxy.ports import Claims, Front, Head, Item
from taskgate.proxy.settings import ProxySettings
from taskgate.proxy.trust import Trust, shown_by
from taskgate.proxy.turn import Turn
from taskgate.proxy.turnstile import Turnstile

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

YOUNG: Final = 0.5  # of the time that a head may take: before that nobody gives way in a crowd


def unclaimed(front: Front, head: Head) -> Item | None:
    """Nothing is forwarded: every request is the application's."""
    return None


class Doorway:
    """One listener: the application, whose requests are whose, limits and deadlines. `certifiers` are the peers that
    may tell of client certificates which were shown to them."""

    __slots__ = (
        "_default_headers", "_default_lines", "address", "app", "app_state", "certifiers", "claims", "config",
        "pending", "server_state", "settings", "trust", "turn", "turnstile",
    )  # fmt: skip

    def __init__(
        self,
        claims: Claims,
        settings: ProxySettings,
        *,
        turn: Turn,
        trust: Trust | None = None,
        certifiers: Trust | None = None,
    ) -> None:
        self.claims = claims
        self.settings = settings
        self.turn = turn
        self.trust = trust or Trust(settings.trusted_proxies)
        self.certifiers = certifiers or Trust()
        self.pending = Pending(
            settings.pending_per_address,
            young_s=settings.header_s * YOUNG,
            after_reading=turn.after_reading,
            monotonic=turn.monotonic,
        )
        self.turnstile = Turnstile(turn.soon)
        self.app: Any = None
        self.config: Config
        self.server_state: ServerState
        self.app_state: dict[str, Any] = {}
        self.address: tuple[str, int] | None = None
        self._default_headers: object = None
        self._default_lines = b""

    def default_lines(self) -> bytes:
        """The headers that the server adds to every answer (Date), ready to be written. It renews them each second."""
        headers = self.server_state.default_headers
        if headers is not self._default_headers:
            self._default_headers = headers
            self._default_lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        return self._default_lines

    def draft_for(self, peer: Peer, transport: asyncio.BaseTransport) -> Draft:
        """Where the heads of a connection are read: whom its words about others are believed."""
        return Draft(
            believes=peer.is_trusted,
            certifies=self.certifiers.believes(peer.address),
            certificate=shown_by(transport),
        )


class Fronts:
    """Makes the protocol of each connection, for `uvicorn.Config(http=...)`. Raises InvalidInput for a bad setting."""

    def __init__(
        self,
        claims: Claims = unclaimed,
        settings: ProxySettings | None = None,
        *,
        turn: Turn | None = None,
        trust: Trust | None = None,
        certifiers: Trust | None = None,
    ) -> None:
        settings = settings or ProxySettings()
        self.doorway = Doorway(claims, settings, turn=turn or Turn(), trust=trust, certifiers=certifiers)

    def __call__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> asyncio.Protocol:
        from taskgate.proxy.front import CallerConnection

        doorway = self.doorway
        if doorway.app is None:
            if not config.loaded:
                config.load()
            doorway.app, doorway.config = config.loaded_app, config
            doorway.server_state, doorway.app_state = server_state, app_state
        return CallerConnection(doorway)

    def cut(self) -> None:
        """Cut every connection that is still open: the time for an orderly end is over."""
        for connection in tuple(self.doorway.turn.timed):
            if isinstance(connection, Line):
                connection.cut()
