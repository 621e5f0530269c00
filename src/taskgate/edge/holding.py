"""Credentials beside API keys and tokens, as the gate asks for them: client certificates and join tokens.

A certificate that was read once is remembered by its digest until it ends, and asked each time whether its name was
taken back. With another credential beside it a certificate must agree: the same site and the same worker, where both
name one. What is present and wrong fails, whatever stands beside it.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256

from taskgate.clock import Clock
from taskgate.errors import Unauthenticated
from taskgate.identity.certificates import Certificates
from taskgate.identity.forwarded import read_element
from taskgate.identity.invitations import Invitations, looks_like_invitation
from taskgate.identity.keys import Keys
from taskgate.identity.principal import Principal

REMEMBERED = 4096


class OtherCredentials:
    """Whom certificates name and who shows join tokens. Without either nobody is found."""

    def __init__(
        self,
        keys: Keys,
        *,
        clock: Clock,
        certificates: Certificates | None = None,
        invitations: Invitations | None = None,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._certificates = certificates or Certificates()
        self._invitations = invitations
        self._read: OrderedDict[bytes, Principal] = OrderedDict()

    @property
    def reads_certificates(self) -> bool:
        """Whether certificates are looked at."""
        return self._certificates.is_on

    def forwarded(self, value: bytes) -> Principal:
        """Whom the certificate in a header names; Unauthenticated when it is not good."""
        found = self._read.get(sha256(value).digest())
        if found is None:
            certificate, uri = read_element(value)
            found = self._certificates.named(uri) if uri else self._named(certificate)
            self._remember(value, found)
        return self._standing(found)

    def certificate(self, certificate: bytes) -> Principal:
        """Whom a certificate (DER or PEM) names; Unauthenticated when it is not good."""
        found = self._read.get(sha256(certificate).digest())
        if found is None:
            found = self._named(certificate)
            self._remember(certificate, found)
        return self._standing(found)

    async def invited(self, text: str) -> Principal | None:
        """Who shows this join token; None for a text that is none."""
        if self._invitations is None or not looks_like_invitation(text):
            return None
        return await self._invitations.authenticate(text)

    def _named(self, certificate: bytes) -> Principal:
        return self._certificates.principal(certificate, now=self._clock.now())

    def _remember(self, text: bytes, principal: Principal) -> None:
        self._read[sha256(text).digest()] = principal
        while len(self._read) > REMEMBERED:
            self._read.popitem(last=False)

    def _standing(self, principal: Principal) -> Principal:
        ends_at, tokens = principal.expires_at, self._keys.standing.tokens
        if (ends_at is not None and self._clock.now() >= ends_at) or (tokens is not None and tokens.refuses(principal)):
            raise Unauthenticated("the client certificate has expired or was taken back", code="CERTIFICATE_EXPIRED")
        return principal


def agree(principal: Principal, certified: Principal) -> None:
    """Unauthenticated where a certificate names another than the credential beside it."""
    is_other_site = principal.site_id != certified.site_id and not principal.may("serve:*")
    is_other_worker = principal.worker_id and certified.worker_id and principal.worker_id != certified.worker_id
    if is_other_site or is_other_worker:
        raise Unauthenticated("the credential and the client certificate name different callers", code="TWO_CALLERS")
