"""Web pages of other origins that call proxied routes: the gateway's own exact list, and nothing else.

Where the list is on, a service's own words about origins are dropped: a page is told by the gateway alone, and no
cookie is ever allowed with a request. Preflights carry no credential and are the application's to answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from taskgate.proxy.ports import Head, Pair

VARY = b"vary: Origin\r\n"
EXPOSED = (
    b"access-control-expose-headers: Location, RateLimit, RateLimit-Policy, Retry-After, Server-Timing, X-Request-Id,"
    b" Gateway-Error-Source, Gateway-Attempts\r\n"
)
OF_SERVICES = b"access-control-"


class Origins:
    """The list; off while it is empty."""

    __slots__ = ("_listed", "is_on")

    def __init__(self, listed: Iterable[str] = ()) -> None:
        self._listed = frozenset(origin.encode("ascii") for origin in listed)
        self.is_on = bool(self._listed)

    def lines(self, pairs: Sequence[Pair]) -> bytes:
        """What an answer says to the page behind it."""
        origin = next((value for name, value in pairs if name == b"origin"), None)
        if origin not in self._listed:
            return VARY
        return b"%baccess-control-allow-origin: %b\r\n%b" % (VARY, origin, EXPOSED)

    def is_preflight(self, head: Head) -> bool:
        """Whether a page asks whether it may ask."""
        return head.method == "OPTIONS" and any(name == b"access-control-request-method" for name, _ in head.pairs)


def without_theirs(lines: list[bytes]) -> list[bytes]:
    """The header lines of an answer (beginning, value, line end) without what its service says of origins."""
    kept: list[bytes] = []
    for place in range(0, len(lines), 3):
        if not lines[place].lower().startswith(OF_SERVICES):
            kept += lines[place : place + 3]
    return kept
