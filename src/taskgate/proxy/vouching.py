"""Who calls, as lines for an upstream: site, user, app, and a signature that only that service can check.

Signed anew for each caller and service once a minute; in between it is one look into a table.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from taskgate.identity.principal import Principal
from taskgate.identity.signing import HEADER, IdentitySigner
from taskgate.proxy.pieces import identity_lines, plain
from taskgate.proxy.ports import Pair

Audience = tuple[str, str]  # (site, name) of a service
LASTS_S: Final = 60.0
REMEMBERED: Final = 8192
NAMES: Final = (b"x-site-id", b"x-user-id", b"x-app-id")
SIGNATURE: Final = HEADER.lower().encode("ascii")


class Vouching:
    """Identity lines by service and caller. Without a signer they are not signed."""

    __slots__ = ("_known", "_signer")

    def __init__(self, signer: IdentitySigner | None = None) -> None:
        self._signer = signer
        self._known: dict[tuple[Audience, str, str, str], tuple[float, bytes]] = {}

    def lines(self, audience: Audience, principal: Principal, *, now: float) -> bytes:
        """The lines, at `now` of the monotonic clock."""
        site_id, user_id, app_id = principal.site_id, principal.user_id, principal.app_id
        who = (audience, site_id, user_id, app_id)
        known = self._known.get(who)
        if known is not None and now < known[0]:
            return known[1]
        lines = identity_lines(site_id, user_id=user_id, app_id=app_id)
        lines += self._signature(audience, [plain(text) for text in (site_id, user_id, app_id)])
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[who] = (now + LASTS_S, lines)
        return lines

    def signed(self, audience: Audience, headers: Iterable[Pair]) -> bytes:
        """The line of the signature alone, for identity headers that stand in `headers` already."""
        told = dict(headers)
        return self._signature(audience, [told.get(name, b"") for name in NAMES])

    def _signature(self, audience: Audience, values: list[bytes]) -> bytes:
        if self._signer is None:
            return b""
        secret = self._signer.secret_of(audience[1], site_id=audience[0])
        return b"%b: %b\r\n" % (SIGNATURE, self._signer.signature(secret, values, at=int(time.time())))
