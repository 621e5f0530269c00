"""Keeps the pieces of all services: each is made once per registration, and a broken document spoils only itself.

A service whose document cannot be read keeps its last good one, told with its present routes and marked as stale; if
there never was a good one its routes are told from what was registered with them. Not safe to share between threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from taskgate.errors import InvalidInput
from taskgate.routes.openapi.pieces import Piece, bare_piece_of, piece_of
from taskgate.routes.policy import Effective
from taskgate.routes.service import Service, digest_of

BROKEN = "the service's document cannot be read"
NOBODY: Mapping[str, str] = {}


class _Kept(msgspec.Struct, frozen=True):
    """What is known of one service; `good` is the last document that could be read."""

    service: Service
    digest: str
    piece: Piece
    good: bytes


class PieceShelf:
    """The pieces of the services that are registered."""

    def __init__(self, *, defaults: Effective = Effective()) -> None:  # noqa: B008  # immutable
        self._defaults = defaults
        self._kept: dict[str, _Kept] = {}

    def pieces_of(self, services: Iterable[Service], *, stale: Mapping[str, str] = NOBODY) -> list[Piece]:
        """A piece for each; others are forgotten. `stale`: why what a service told is not its present state."""
        kept = {service.name: self._keep(service) for service in services}
        self._kept = kept
        return [
            msgspec.structs.replace(one.piece, stale=one.piece.stale or stale[name]) if name in stale else one.piece
            for name, one in kept.items()
        ]

    def is_ready(self, services: Iterable[Service]) -> bool:
        """Whether `pieces_of` has nothing to make for these."""
        return all((one := self._kept.get(each.name)) is not None and one.service is each for each in services)

    def _keep(self, service: Service) -> _Kept:
        before = self._kept.get(service.name)
        if before is not None and before.service is service:
            return before
        digest = digest_of(service)
        if before is not None and before.digest == digest:
            return msgspec.structs.replace(before, service=service)
        good = b"" if before is None else before.good
        try:
            piece = piece_of(service, defaults=self._defaults)
            good = service.document
        except InvalidInput as error:
            piece = self._last_good(service, good, reason=f"{BROKEN} ({error.detail[:200]})")
        return _Kept(service, digest, piece, good)

    def _last_good(self, service: Service, good: bytes, *, reason: str) -> Piece:
        if not good:
            return bare_piece_of(service, stale=reason, defaults=self._defaults)
        then = msgspec.structs.replace(service, document=good)
        return msgspec.structs.replace(piece_of(then, defaults=self._defaults), stale=reason)
