"""Which web pages may call: an exact list of origins, empty unless an operator fills it.

Cookies are no credentials here, so none are ever allowed with a request. `*` and `null` cannot be listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from taskgate.edge.http.call import Call
from taskgate.edge.http.problems import Header
from taskgate.errors import InvalidInput

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")
_EXPOSED = b"Location, Preference-Applied, Idempotent-Replayed, Retry-After, X-Request-Id, Gateway-Error-Source"
_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_HEADERS = b"Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Prefer, Traceparent, X-API-Key, X-Request-Id"


class Cors:
    """The list. InvalidInput when something in it is no origin."""

    def __init__(self, origins: Iterable[str]) -> None:
        for origin in origins:
            if _ORIGIN.fullmatch(origin) is None:
                raise InvalidInput(f"{origin!r} is no origin like https://app.example", code="BAD_ORIGIN")
        self._origins = frozenset(origin.encode("ascii") for origin in origins)
        self.is_on = bool(self._origins)

    async def answered(self, call: Call) -> bool:
        """Mark the answer for a listed origin; True when it was a preflight, which carries no credential."""
        origin = call.headers.get(b"origin")
        call.extra_headers.append((b"vary", b"Origin"))
        if origin not in self._origins:
            return False
        call.extra_headers += [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _EXPOSED),
        ]
        if call.method != "OPTIONS" or b"access-control-request-method" not in call.headers:
            return False
        allowed: list[Header] = [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _HEADERS),
            (b"access-control-max-age", b"600"),
        ]
        await call.answer(204, b"", headers=allowed)
        return True
