"""Who comes in: the one check that every door makes before it looks at anything else of a request.

Credential, then tenant. It reads headers (or gRPC metadata) and nothing else; a failure is counted against the
address, and an address that fails too often is answered from memory alone, so that it costs no read of a store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from taskgate.clock import Clock
from taskgate.edge.failures import FailedTries
from taskgate.errors import Limited, Unauthenticated
from taskgate.identity.credentials import credential_in, refuse_query_secrets, speaking_for
from taskgate.identity.keys import Keys
from taskgate.identity.principal import Principal
from taskgate.identity.recall import Remembered

ANYBODY = Principal(id="", name="anybody", scopes=frozenset({"admin"}))
"""Who calls when authentication is switched off; only ever on a loopback address."""

_CREDENTIAL_NAMES = frozenset({b"x-api-key", b"authorization"})
_TENANT_NAMES = frozenset({b"x-site-id", b"x-user-id", b"x-app-id"})
_LENGTHS = frozenset(len(name) for name in _CREDENTIAL_NAMES | _TENANT_NAMES)

Pairs = Sequence[tuple[bytes, bytes]] | Sequence[tuple[str, str | bytes]]


class Gate:
    """The check of credentials shared by the doors of one gateway."""

    def __init__(self, keys: Keys, *, clock: Clock, auth_enabled: bool = True) -> None:
        self._keys = keys
        self._auth_enabled = auth_enabled
        self._failures = FailedTries(clock)

    def recall(
        self,
        pairs: Sequence[tuple[bytes, bytes]],
        *,
        query: bytes = b"",
        address: str = "",
        memory: dict[str, Any] | None = None,
    ) -> Principal | None:
        """Who calls, from memory alone; None when only `admit` can tell, which also refuses and counts. `memory` is of
        the very same headers: their key is looked up again, but not proven again.

        Raises what a good credential does not excuse: Malformed for one in the query, InvalidInput for a tenant.
        """
        if query:
            refuse_query_secrets(query)
        if memory:
            found, principal = cast("tuple[Remembered, Principal]", memory["caller"])
            if self._keys.recall.still(found):
                return principal
        return self._recalled(pairs, memory)

    def _recalled(self, pairs: Sequence[tuple[bytes, bytes]], memory: dict[str, Any] | None) -> Principal | None:
        credential: bytes | None = None
        is_asserting = False
        for name, value in pairs:
            if len(name) not in _LENGTHS:
                continue
            lowered = name.lower()
            if lowered in _TENANT_NAMES:
                is_asserting = True
            elif lowered in _CREDENTIAL_NAMES:
                if lowered == b"authorization":
                    if value[:7].lower() != b"bearer ":
                        return None
                    value = value[7:]
                if credential is not None and credential != value:
                    return None
                credential = value
        if credential is None:
            return None if self._auth_enabled else speaking_for(ANYBODY, pairs)
        found = self._keys.recall.proven(credential)
        if found is None:
            return None
        principal = speaking_for(found.principal, pairs) if is_asserting else found.principal
        if memory is not None:
            memory["caller"] = found, principal
        return principal

    async def admit(self, pairs: Pairs, *, query: bytes = b"", address: str = "") -> Principal:
        """Who calls. Unauthenticated without a good credential, Limited after too many bad ones, Unavailable when
        nobody can tell; a credential that is present and wrong is never ignored."""
        principal = await self.admit_or_none(pairs, query=query, address=address)
        if principal is None:
            raise Unauthenticated("a credential is needed: X-API-Key or Authorization: Bearer")
        return principal

    async def admit_or_none(self, pairs: Pairs, *, query: bytes = b"", address: str = "") -> Principal | None:
        """As `admit`, None for a caller who shows no credential at all: for the few open addresses."""
        if query:
            refuse_query_secrets(query)
        try:
            text = credential_in(pairs)
        except Unauthenticated:
            self._count_failure(address)
            raise
        if text is None:
            return None if self._auth_enabled else speaking_for(ANYBODY, pairs)
        return speaking_for(await self._principal_of(text, address), pairs)

    async def _principal_of(self, text: str, address: str) -> Principal:
        left_s = self._failures.left_s(address)
        try:
            return await self._keys.authenticate(text, remembered_only=left_s > 0)
        except Unauthenticated:
            self._count_failure(address)
            raise

    def _count_failure(self, address: str) -> None:
        left_s = self._failures.count(address)
        if left_s > 0:
            raise Limited("too many failed attempts from this address", retry_after_s=left_s) from None
