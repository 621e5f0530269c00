"""Tokens: short-lived credentials that this installation, or an issuer that it believes, has signed.

One of ours is made out of another good credential, lives a quarter of an hour, may do less than that one and never
more, and is good only as long as the key behind it: revoking the key ends its tokens, taking a token back ends all that
was made out of it. Changing token for token goes on for `chain_s` at most (`worker_chain_s` for one worker's own) and
never beyond the end of the first credential; then that has to be shown again. An issuer's
token is good as its row says. What was proven is remembered by its digest, so that a token in use costs one hash;
whether it was taken back is asked each time, by `jti` and by subject and never by its text. An issuer's is proven again
every ten minutes, because its key may have been withdrawn.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import floor, inf
from typing import Any, Protocol

from taskgate.clock import Clock
from taskgate.errors import Forbidden, InvalidInput, Unauthenticated
from taskgate.identity.issuers import Issuer
from taskgate.identity.jose import (
    MAX_TOKEN_LENGTH,
    Unproven,
    VerifyingKey,
    check_claims,
    moment_of,
    prove,
    read_token,
    refused,
    text_of,
)
from taskgate.identity.keytext import is_key_id
from taskgate.identity.lineage import MOST_FOREBEARS, entry_of, is_lineage, next_of
from taskgate.identity.principal import SCOPES, Kind, Principal
from taskgate.identity.recall import KeyRecall
from taskgate.identity.revocations import Revocations
from taskgate.identity.token_keys import TokenKeys
from taskgate.ids import is_worker_id, new_token

TYPE = "at+jwt"
MIN_LIFE_S = 10.0
REMEMBERED = 20_000
PROVEN_S = 600.0
WORKING = frozenset({"worker", "serve:*"})
CERTIFICATES_S = 100 * 366 * 86_400.0  # nobody knows how long those that name a subject are good


class KeySets(Protocol):
    """The public keys of issuers."""

    async def key(self, issuer: Issuer, key_id: str) -> VerifyingKey | None:
        """The key of that name; None when the issuer has none. Unavailable when nobody can tell."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """A token whose signature and claims were right, until the monotonic moment `again_at`. Of ours: `source_id` is the
    API key it was made from ("" for none)."""

    principal: Principal
    source_id: str = ""
    again_at: float = inf


class Tokens:
    """Makes, checks and takes back tokens. `name` is both issuer and audience of ours."""

    def __init__(
        self,
        keys: TokenKeys,
        *,
        clock: Clock,
        recall: KeyRecall,
        revocations: Revocations,
        issuers: Mapping[str, Issuer],
        key_sets: KeySets,
        name: str = "taskgate",
        life_s: float = 900.0,
        chain_s: float = 86_400.0,
        worker_chain_s: float = 2_592_000.0,
    ) -> None:
        self.keys = keys
        self.revocations = revocations
        self._clock = clock
        self._recall = recall
        self._issuers = issuers
        self._key_sets = key_sets
        self._name = name
        self._life_s = life_s
        self._chain_s = chain_s
        self._worker_chain_s = worker_chain_s
        self._proven: OrderedDict[bytes, Proven] = OrderedDict()

    async def authenticate(self, text: str) -> Principal:
        """Whose token this is; Unauthenticated when it is not good. Unavailable when nobody can tell (fail closed)."""
        digest = sha256(text.encode("utf-8", "replace")).digest()
        found = self._proven.get(digest)
        if found is None or self._clock.monotonic() >= found.again_at:
            self._proven.pop(digest, None)
            found = self._proven[digest] = await self._prove(read_token(text))
            while len(self._proven) > REMEMBERED:
                self._proven.popitem(last=False)
        try:
            await self._check(found)
        except Unauthenticated:
            self._proven.pop(digest, None)
            raise
        return found.principal

    def recalled(self, text: bytes) -> Principal | None:
        """Whose token this is, from memory alone; None when only `authenticate` can tell."""
        found = self._proven.get(sha256(text).digest())
        if found is None or self._clock.monotonic() >= found.again_at or self.refuses(found.principal):
            return None
        if found.source_id and not self._recall.holds(found.source_id):
            return None
        return found.principal

    def refuses(self, principal: Principal) -> bool:
        """Whether a principal that came in by a token or a certificate has to go: taken back, or past its time. An API
        key itself is good or not by its record alone."""
        now, names = self._clock.now(), (principal.id, principal.token_id)
        if principal.has_lapsed(now):
            return True
        if not principal.token_id and is_key_id(principal.id):
            return False
        if self.revocations.has_ended(principal.lineage):
            return True
        return any(name and self.revocations.refuses(name, issued_at=principal.issued_at) for name in names)

    async def exchange(
        self, by: Principal, *, scopes: Iterable[str] | None = None, life_s: float | None = None, worker_id: str = ""
    ) -> tuple[str, Principal]:
        """A token for what `by` may do, or less, and the principal it stands for. Forbidden for more than that."""
        wanted = by.scopes if scopes is None else frozenset(scopes)
        if not wanted or wanted - SCOPES:
            raise InvalidInput("scopes are one or more of those that exist", extra={"path": "/scopes"})
        if not all(by.may(scope) for scope in wanted):
            raise Forbidden("a token never may do more than the credential it is made from")
        life_s = self._life_s if life_s is None else life_s
        if not MIN_LIFE_S <= life_s <= self._life_s:
            raise InvalidInput(f"life_s is within {MIN_LIFE_S:g}..{self._life_s:g}", extra={"path": "/life_s"})
        worker_id = _worker_of(by, worker_id)
        now = floor(self._clock.now() * 1000) / 1000  # never behind a revocation of the same moment
        chain_s = self._worker_chain_s if worker_id and wanted <= WORKING else self._chain_s
        until = by.until or min(now + chain_s, inf if by.expires_at is None else by.expires_at)
        if len(by.lineage) > MOST_FOREBEARS:
            raise _worn()
        claims = self._claims(by, wanted, now=now, expires_at=min(now + life_s, until), worker_id=worker_id)
        claims.update({"jti": new_token(), "until": until, **({"anc": " ".join(by.lineage)} if by.lineage else {})})
        return await self._signed(claims, now)

    async def renew(self, by: Principal, *, worker_id: str) -> tuple[str, Principal]:
        """The next generation of a token of ours, on the link of the worker that holds it: the same rights for another
        while. Unauthenticated for one that has ended, was taken back or was renewed long enough; Forbidden for what is
        no token of ours."""
        if not by.until or by.worker_id not in ("", worker_id):
            raise Forbidden("only a token of this gateway is renewed on a link", code="NOT_RENEWABLE")
        if self.refuses(by) or (is_key_id(by.id) and not await self._recall.is_good(by.id)):
            raise refused("has expired or was taken back", code="TOKEN_EXPIRED")
        now = floor(self._clock.now() * 1000) / 1000
        expires_at = min(now + self._life_s, by.until)
        claims = self._claims(by, by.scopes, now=now, expires_at=expires_at, worker_id=by.worker_id)
        forebears = " ".join(by.lineage[:-1])
        claims.update({"jti": next_of(by.token_id), "until": by.until, **({"anc": forebears} if forebears else {})})
        return await self._signed(claims, now)

    async def take_back(self, name: str) -> None:
        """Refuse, from now on, a token by its id or all of a subject's; at every gateway, and on living connections."""
        longest_s = max([self._chain_s, self._worker_chain_s, *(issuer.max_age_s for issuer in self._issuers.values())])
        is_certified = name.startswith("spiffe://")
        await self.revocations.take_back(name, keep_s=CERTIFICATES_S if is_certified else longest_s)

    async def _signed(self, claims: dict[str, Any], now: float) -> tuple[str, Principal]:
        """The text of a token and whom it stands for; behind it the API key of its subject, where that is one."""
        if claims["until"] < now + MIN_LIFE_S:
            raise _worn()
        if is_key_id(claims["sub"]) and await self._recall.find(claims["sub"]) is not None:
            claims["src"] = claims["sub"]
        text = self.keys.signing(now).signed(claims, kind=TYPE)
        if len(text) > MAX_TOKEN_LENGTH:
            raise InvalidInput("this credential says more than a token can hold", code="TOKEN_TOO_LARGE")
        return text, _principal(claims)

    def _claims(
        self, by: Principal, scopes: frozenset[str], *, now: float, expires_at: float, worker_id: str
    ) -> dict[str, Any]:
        told: dict[str, Any] = {
            "iss": self._name,
            "aud": self._name,
            "sub": by.id,
            "iat": now,
            "auth_time": by.issued_at or now,
            "exp": expires_at,
            "scope": " ".join(sorted(scopes)),
            "kind": by.kind,
            "site": by.site_id,
            "name": by.name,
        }
        extras = {"user": by.user_id, "app": by.app_id, "worker": worker_id, "prefixes": list(by.prefixes)}
        return told | {name: value for name, value in extras.items() if value}

    async def _prove(self, token: Unproven) -> Proven:
        now = self._clock.now()
        name = text_of(token.claims, "iss")
        if name == self._name:
            return self._proven_own(token, now)
        issuer = self._issuers.get(name)
        if issuer is None:
            raise refused("is of an issuer that is not believed here")
        if token.type != issuer.type.lower() or token.algorithm not in issuer.algorithms:
            raise refused("is of another type or algorithm than this issuer's")
        key = await self._key_sets.key(issuer, token.key_id)
        if key is None:
            raise refused("is signed with an unknown key")
        prove(token, key)
        check_claims(token.claims, audience=issuer.audience, now=now, max_age_s=issuer.max_age_s)
        return Proven(principal=issuer.principal(token.claims), again_at=self._clock.monotonic() + PROVEN_S)

    def _proven_own(self, token: Unproven, now: float) -> Proven:
        key = self.keys.verifying(now).get(token.key_id)
        if token.type != TYPE or key is None:
            raise refused("is of another type, or signed with an unknown key")
        prove(token, key)
        claims = token.claims
        check_claims(claims, audience=self._name, now=now, max_age_s=self._life_s)
        return Proven(principal=_principal(claims), source_id=text_of(claims, "src") if "src" in claims else "")

    async def _check(self, found: Proven) -> None:
        if self.refuses(found.principal):
            raise refused("has expired or was taken back", code="TOKEN_EXPIRED")
        if found.source_id and not await self._recall.is_good(found.source_id):
            raise refused("was made from a key that is not good any more", code="KEY_REVOKED")


def _principal(claims: Mapping[str, Any]) -> Principal:
    """Whom claims of ours stand for."""
    kind: Kind = claims["kind"]
    token_id, forebears = f"jti:{text_of(claims, 'jti')}", claims.get("anc", "").split()
    if not is_lineage(forebears):
        raise refused("was made out of something that cannot be")
    return Principal(
        id=text_of(claims, "sub"),
        name=claims["name"],
        kind=kind,
        scopes=frozenset(claims["scope"].split()),
        site_id=claims["site"],
        user_id=claims.get("user", ""),
        app_id=claims.get("app", ""),
        prefixes=tuple(claims.get("prefixes", ())),
        worker_id=claims.get("worker", ""),
        token_id=token_id,
        issued_at=moment_of(claims, "auth_time" if "auth_time" in claims else "iat"),
        expires_at=moment_of(claims, "exp"),
        lineage=(*forebears, entry_of(token_id)),
        until=moment_of(claims, "until"),
    )


def _worker_of(by: Principal, wanted: str) -> str:
    """Whose a token will be: the worker that was asked for, else the one that it is made by. Forbidden for another
    worker, and for who may not work."""
    if wanted and by.worker_id not in ("", wanted):
        raise Forbidden(
            f"this credential is bound to the worker {by.worker_id}: it makes tokens for no other",
            code="WORKER_ID_BOUND",
            extra={"path": "/worker_id", "worker_id": by.worker_id},
        )
    if wanted and not is_worker_id(wanted):
        raise InvalidInput("a worker id is 1-128 characters of A-Za-z0-9_.:@-", extra={"path": "/worker_id"})
    if wanted and not by.worker_id:
        by.require("worker")
    return wanted or by.worker_id


def _worn() -> Unauthenticated:
    return refused("was changed for others long enough: show the first credential again", code="TOKEN_EXPIRED")
