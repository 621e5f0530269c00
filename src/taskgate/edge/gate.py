"""Who comes in: the one check that every door makes before it looks at anything else of a request.

Key, then token, then client certificate, then tenant. It reads headers (or gRPC metadata) and nothing else. An address
has so many tries a second that memory alone cannot answer; a failure is counted against it as well, and an address
that fails too often is answered from memory alone, so that it costs no read of a store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from taskgate.clock import Clock
from taskgate.edge.failures import FailedTries, Tries
from taskgate.edge.holding import OtherCredentials, agree
from taskgate.errors import Forbidden, Limited, Unauthenticated
from taskgate.identity.credentials import credential_in, refuse_query_secrets, speaking_for
from taskgate.identity.forwarded import HEADER as CERTIFICATE
from taskgate.identity.invitations import is_joining
from taskgate.identity.keys import Keys
from taskgate.identity.keytext import parse_key
from taskgate.identity.principal import Principal
from taskgate.identity.recall import Remembered

ANYBODY = Principal(id="", name="anybody", scopes=frozenset({"admin"}))
"""Who calls when authentication is switched off; only ever on a loopback address."""

_CREDENTIAL_NAMES = frozenset({b"x-api-key", b"authorization"})
_TENANT_NAMES = frozenset({b"x-site-id", b"x-user-id", b"x-app-id"})
_LENGTHS = frozenset(len(name) for name in _CREDENTIAL_NAMES | _TENANT_NAMES | {CERTIFICATE})
TRIES_PER_S = 100.0
TRIES_BURST = 200.0

Pairs = Sequence[tuple[bytes, bytes]] | Sequence[tuple[str, str | bytes]]


class Gate:
    """The check of credentials shared by the doors of one gateway."""

    def __init__(
        self,
        keys: Keys,
        *,
        clock: Clock,
        auth_enabled: bool = True,
        others: OtherCredentials | None = None,
        tries: Tries | None = None,
    ) -> None:
        self._keys = keys
        self._auth_enabled = auth_enabled
        self._others = others or OtherCredentials(keys, clock=clock)
        self._failures = FailedTries(clock)
        self._tries = tries or Tries(clock, rate=TRIES_PER_S, burst=TRIES_BURST)

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
            elif lowered == CERTIFICATE:
                return None
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
            tokens = self._keys.standing.tokens
            caller = None if tokens is None else tokens.recalled(credential)
            return speaking_for(caller, pairs) if caller is not None and is_asserting else caller
        principal = speaking_for(found.principal, pairs) if is_asserting else found.principal
        if memory is not None:
            memory["caller"] = found, principal
        return principal

    async def admit(
        self,
        pairs: Pairs,
        *,
        query: bytes = b"",
        address: str = "",
        certificate: bytes | None = None,
        may_join: bool = False,
    ) -> Principal:
        """Who calls. Unauthenticated without a good credential, Limited after too many bad ones, Unavailable when
        nobody can tell; a credential that is present and wrong is never ignored. Forbidden for a join token wherever
        nobody joins (`may_join`)."""
        principal = await self.admit_or_none(
            pairs, query=query, address=address, certificate=certificate, may_join=may_join
        )
        if principal is None:
            self._tries.take(address)
            raise Unauthenticated("a credential is needed: X-API-Key or Authorization: Bearer")
        return principal

    async def admit_or_none(
        self,
        pairs: Pairs,
        *,
        query: bytes = b"",
        address: str = "",
        certificate: bytes | None = None,
        may_join: bool = False,
    ) -> Principal | None:
        """As `admit`, None for a caller who shows no credential at all: for the few open addresses.

        `certificate` is the one that this door's TLS was shown (DER or PEM, b"" for none), and then a certificate in
        the headers counts for nothing; None where headers tell it, as only our own listener lets them.
        """
        if query:
            refuse_query_secrets(query)
        try:
            text = credential_in(pairs)
            certified = self._certified(pairs, certificate)
        except Unauthenticated:
            self._count_failure(address)
            raise
        if text is None:
            if certified is None and not self._auth_enabled:
                return speaking_for(ANYBODY, pairs)
            return None if certified is None else speaking_for(certified, pairs)
        principal = await self._principal_of(text, address)
        if not may_join and is_joining(principal):
            raise Forbidden("a join token is good for joining alone", code="JOIN_TOKEN")
        if certified is not None:
            agree(principal, certified)
        return speaking_for(principal, pairs)

    def _certified(self, pairs: Pairs, certificate: bytes | None) -> Principal | None:
        if not self._others.reads_certificates:
            return None
        if certificate is not None:
            return self._others.certificate(certificate) if certificate else None
        told = [value for name, value in pairs if name == CERTIFICATE]
        if len(told) > 1:
            raise Unauthenticated("two client certificates were forwarded", code="BAD_CERTIFICATE")
        return self._others.forwarded(told[0]) if told and isinstance(told[0], bytes) else None

    async def _principal_of(self, text: str, address: str) -> Principal:
        left_s = self._failures.left_s(address)
        if not self._is_known(text):
            self._tries.take(address)
        try:
            if left_s == 0:
                invited = await self._others.invited(text)
                if invited is not None:
                    return invited
            return await self._keys.authenticate(text, remembered_only=left_s > 0)
        except Unauthenticated:
            self._count_failure(address)
            raise

    def _is_known(self, text: str) -> bool:
        """Whether memory alone can tell whose credential this is, so that it costs next to nothing."""
        parts = parse_key(text)
        if parts is not None:
            return parts[0] in self._keys.recall
        tokens = self._keys.standing.tokens
        return tokens is not None and tokens.recalled(text.encode("ascii", "replace")) is not None

    def _count_failure(self, address: str) -> None:
        left_s = self._failures.count(address)
        if left_s > 0:
            raise Limited("too many failed attempts from this address", retry_after_s=left_s) from None


def shows_other(pairs: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether a request shows a credential that is no API key, which a front cannot judge."""
    for name, value in pairs:
        if len(name) not in _LENGTHS:
            continue
        if name == b"authorization" and value[:10].lower() != b"bearer tg_":
            return True
        if name == CERTIFICATE or (name == b"x-api-key" and value[:3] != b"tg_"):
            return True
    return False
