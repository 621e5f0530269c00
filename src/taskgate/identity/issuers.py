"""Other people's token issuers: whose tokens are good here, and what their subjects may do.

Each stands in one TOML file as a table `[[issuer]]`: who it is, for whom its tokens must be, with which algorithms it
signs, where its public keys are, and how its claims become scopes, site and user. A token names its issuer itself,
which only chooses the row; everything else is checked against the row. Rights never come from a claim alone: a scope
must be among the row's `scopes` too, and `admin` is never given unless the row says so.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from taskgate.errors import InvalidInput
from taskgate.identity.credentials import is_person_id, is_site_id
from taskgate.identity.jose import ALGORITHMS, moment_of, refused, text_of
from taskgate.identity.lineage import entry_of
from taskgate.identity.principal import SCOPES, Kind, Principal
from taskgate.ids import is_worker_id

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
RESERVED = frozenset({"join", "jti", "spiffe", "bridge"})  # beginnings of other names of principals


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """One issuer.

    name: short name, the beginning of the ids of its subjects (`corp:alice`). issuer, audience: what `iss` and `aud`
    must be. algorithms: what it signs with. jwks_url (https) or jwks_path: where its keys are; jwks_ca_path: PEM of the
    authority of that server, else the system's. type: what `typ` must be. max_age_s: longest time since `iat`.
    scopes: what its tokens may have at most; scope_claim: where they say what they have (a list, or words), without it
    all of `scopes`; scope_prefix: what stands before our names there. site: of everybody; site_claim: where it stands
    instead. user_claim: whose user it is, empty for nobody's. worker_claim: which worker. kind: what its subjects are.
    """

    name: str
    issuer: str
    audience: str
    algorithms: tuple[str, ...] = ("RS256", "ES256", "EdDSA")
    jwks_url: str = ""
    jwks_path: str = ""
    jwks_ca_path: str = ""
    type: str = "at+jwt"
    max_age_s: Annotated[float, Meta(gt=0)] = 86_400.0
    scopes: frozenset[str] = frozenset()
    scope_claim: str = ""
    scope_prefix: str = ""
    site: str = "default"
    site_claim: str = ""
    user_claim: str = ""
    worker_claim: str = ""
    kind: Kind = "user"

    def principal(self, claims: Mapping[str, Any]) -> Principal:
        """Who the subject of proven claims is. Unauthenticated when a claim that the row needs is not there."""
        subject = text_of(claims, "sub")
        site_id = text_of(claims, self.site_claim) if self.site_claim else self.site
        user_id = text_of(claims, self.user_claim) if self.user_claim else ""
        worker_id = text_of(claims, self.worker_claim) if self.worker_claim else ""
        if not is_site_id(site_id) or not is_person_id(user_id) or (worker_id and not is_worker_id(worker_id)):
            raise refused("names a site, a user or a worker that cannot exist")
        token_id = f"jti:{self.name}:{text_of(claims, 'jti')}" if "jti" in claims else ""
        return Principal(
            id=f"{self.name}:{subject}",
            name=subject,
            kind=self.kind,
            scopes=self._scopes(claims),
            site_id=site_id,
            user_id=user_id,
            worker_id=worker_id,
            token_id=token_id,
            lineage=(entry_of(token_id),) if token_id else (),
            issued_at=moment_of(claims, "iat"),
            expires_at=moment_of(claims, "exp"),
        )

    def _scopes(self, claims: Mapping[str, Any]) -> frozenset[str]:
        if not self.scope_claim:
            return self.scopes
        told = claims.get(self.scope_claim, "")
        words = told.split() if isinstance(told, str) else told if isinstance(told, list) else []
        prefix = self.scope_prefix
        named = {word[len(prefix) :] for word in words if isinstance(word, str) and word.startswith(prefix)}
        return self.scopes & named


class _File(msgspec.Struct, forbid_unknown_fields=True):
    issuer: list[dict[str, Any]] = []


def read_issuers(path: Path) -> tuple[Issuer, ...]:
    """The issuers of a file. InvalidInput (SETTINGS_INVALID) for one that cannot be read or would not be safe."""
    try:
        rows = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File).issuer
        known = set(Issuer.__dataclass_fields__)
        unknown = sorted({name for row in rows for name in row} - known)
        if unknown:
            raise _useless(f"an issuer has no {unknown[0][:64]!r}")
        issuers = tuple(msgspec.convert(row, Issuer) for row in rows)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise _useless(f"{path} cannot be used: {error}") from error
    for issuer in issuers:
        _check(issuer)
    for names in ([one.name for one in issuers], [one.issuer for one in issuers]):
        if len(set(names)) != len(names):
            raise _useless("two issuers have the same name")
    return issuers


def _check(issuer: Issuer) -> None:
    complaints = {
        "name": _NAME.fullmatch(issuer.name) is None or issuer.name in RESERVED,
        "issuer": not issuer.issuer,
        "audience": not issuer.audience,
        "algorithms": not issuer.algorithms or not set(issuer.algorithms) <= set(ALGORITHMS),
        "jwks_url": bool(issuer.jwks_url) == bool(issuer.jwks_path)
        or (bool(issuer.jwks_url) and not issuer.jwks_url.startswith("https://")),
        "scopes": not issuer.scopes <= SCOPES,
        "site": not is_site_id(issuer.site),
    }
    for member, is_wrong in complaints.items():
        if is_wrong:
            raise _useless(f"the issuer {issuer.name[:32]!r} has no usable {member}")


def _useless(why: str) -> InvalidInput:
    return InvalidInput(f"auth.issuers_path: {why}", code="SETTINGS_INVALID", extra={"path": "auth.issuers_path"})
