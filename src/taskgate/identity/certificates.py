"""Who a client certificate names: one SPIFFE id in it, and what the installation gives to such a name.

A certificate that reached us was proven by TLS, by a proxy that is believed, or it did not get here; what is decided
is what it says. The identity is exactly one URI among its subject alternative names, `spiffe://DOMAIN/PATH`
(SPIFFE X.509-SVID section 2); the common name says nothing. The first pattern that fits the path gives kind and
scopes; a name that no pattern knows is nobody. A pattern holds `{site}` and `{worker}` in the place of whole segments.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import get_args

from cryptography import x509

from taskgate.errors import InvalidInput, Unauthenticated
from taskgate.identity.credentials import is_site_id
from taskgate.identity.principal import SCOPES, Kind, Principal
from taskgate.ids import is_worker_id

MAX_URI_BYTES = 2048
MAX_CERTIFICATE_BYTES = 32 << 10
PEM_BEGIN = b"-----BEGIN CERTIFICATE-----"
_DOMAIN = re.compile(r"[a-z0-9._-]{1,255}")
_SEGMENT = re.compile(r"[A-Za-z0-9._-]+")
_RULE = re.compile(r"\s*(/\S*)\s*=\s*([a-z]+)((?:\s+[a-z:*]+)*)\s*")
_VARIABLES = frozenset({"{site}", "{worker}"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRule:
    """What a SPIFFE path that fits the pattern is: its segments, `{site}` and `{worker}` standing for any."""

    segments: tuple[str, ...]
    kind: Kind
    scopes: frozenset[str]

    def read(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        """What the variables stand for; None when the path does not fit."""
        if len(segments) != len(self.segments):
            return None
        found: dict[str, str] = {}
        for wanted, segment in zip(self.segments, segments, strict=True):
            if wanted in _VARIABLES:
                found[wanted[1:-1]] = segment
            elif wanted != segment:
                return None
        return found


class Certificates:
    """Client certificates of one trust domain. Without a domain they name nobody, and are not looked at."""

    def __init__(self, trust_domain: str = "", rules: Iterable[str] = ()) -> None:
        if trust_domain and _DOMAIN.fullmatch(trust_domain) is None:
            raise _useless("auth.trust_domain", f"{trust_domain[:64]!r} is no trust domain")
        self._trust_domain = trust_domain
        self._rules = tuple(map(read_rule, rules))

    @property
    def is_on(self) -> bool:
        """Whether a certificate can name anybody."""
        return bool(self._trust_domain)

    def principal(self, certificate: bytes, *, now: float) -> Principal:
        """Whom a certificate (DER, or the first in PEM) names. Unauthenticated when it is none, is not of this time,
        has no SPIFFE id or several, or has one that is another domain's or that no pattern knows."""
        read = _read(certificate)
        begins_at, ends_at = _epoch(read.not_valid_before_utc), _epoch(read.not_valid_after_utc)
        if not begins_at <= now < ends_at:
            raise _refused("is not of this time", code="CERTIFICATE_EXPIRED")
        return self.named(_uri(read), issued_at=begins_at, expires_at=ends_at)

    def named(self, uri: str, *, issued_at: float = 0.0, expires_at: float | None = None) -> Principal:
        """Whom a SPIFFE id names; Unauthenticated as in `principal`."""
        segments = self._segments(uri)
        for rule in self._rules:
            found = rule.read(segments)
            if found is not None:
                return replace(_principal(uri, rule, found), issued_at=issued_at, expires_at=expires_at)
        raise _refused("names somebody that this gateway has no rule for")

    def _segments(self, uri: str) -> tuple[str, ...]:
        if not uri.isascii() or len(uri) > MAX_URI_BYTES:
            raise _refused("has an identity that is too long or not ASCII")
        scheme, _, rest = uri.partition("://")
        domain, slash, path = rest.partition("/")
        if scheme != "spiffe" or not slash:
            raise _refused("has no SPIFFE id")
        if not self._trust_domain or domain != self._trust_domain:
            raise _refused("is of another trust domain")
        segments = tuple(path.split("/"))
        if not all(map(_is_segment, segments)):
            raise _refused("has a malformed path in its SPIFFE id")
        return segments


def read_rule(text: str) -> PathRule:
    """`/site/{site}/worker/{worker} = worker worker`: pattern, kind, scopes. InvalidInput for any other text."""
    matched = _RULE.fullmatch(text)
    if matched is None:
        raise _useless("auth.certificate_rules", f"{text[:100]!r} is not `/path/{{site}} = kind scope …`")
    segments, kind, scopes = tuple(matched[1][1:].split("/")), matched[2], frozenset(matched[3].split())
    bad_segment = next((s for s in segments if s not in _VARIABLES and not _is_segment(s)), None)
    if bad_segment is not None or len(set(segments) & _VARIABLES) != sum(s in _VARIABLES for s in segments):
        raise _useless("auth.certificate_rules", f"{matched[1][:100]!r} is no pattern of a path")
    if kind not in get_args(Kind):
        raise _useless("auth.certificate_rules", f"there is no kind {kind[:40]!r}")
    if not scopes or scopes - SCOPES:
        raise _useless("auth.certificate_rules", f"{sorted(scopes - SCOPES) or 'no scope'} is no scope")
    return PathRule(segments=segments, kind=kind, scopes=scopes)  # type: ignore[arg-type]  # looked up above


def _read(certificate: bytes) -> x509.Certificate:
    if not certificate or len(certificate) > MAX_CERTIFICATE_BYTES:
        raise _refused("is empty or too large")
    try:
        if certificate.lstrip().startswith(PEM_BEGIN):
            return x509.load_pem_x509_certificate(certificate)
        return x509.load_der_x509_certificate(certificate)
    except (ValueError, x509.InvalidVersion):
        raise _refused("cannot be read") from None


def _uri(certificate: x509.Certificate) -> str:
    """The one URI among the alternative names; other kinds of names do not count."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        uris = []
    if len(uris) != 1:
        raise _refused("does not have exactly one URI as its identity")
    return uris[0]


def _principal(uri: str, rule: PathRule, found: dict[str, str]) -> Principal:
    site_id, worker_id = found.get("site", "default"), found.get("worker", "")
    if not is_site_id(site_id) or (worker_id and not is_worker_id(worker_id)):
        raise _refused("names a site or a worker that cannot exist")
    return Principal(
        id=uri,
        name=uri.rpartition("/")[2],
        kind=rule.kind,
        scopes=rule.scopes,
        site_id=site_id,
        worker_id=worker_id,
    )


def _is_segment(text: str) -> bool:
    return _SEGMENT.fullmatch(text) is not None and text not in (".", "..")


def _epoch(moment: datetime) -> float:
    return moment.timestamp()


def _refused(why: str, *, code: str = "BAD_CERTIFICATE") -> Unauthenticated:
    return Unauthenticated(f"the client certificate {why}", code=code)


def _useless(path: str, why: str) -> InvalidInput:
    return InvalidInput(f"{path}: {why}", code="SETTINGS_INVALID", extra={"path": path})
