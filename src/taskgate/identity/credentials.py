"""Reading who calls out of headers: one rule for every door.

A credential comes in `X-API-Key` or in `Authorization: Bearer`. One that is present and wrong fails and never
falls through to another; two that differ are refused. Secrets in a query string are refused, because query
strings end up in logs. Tenant names in headers count only for a principal with `tenant:assert`; for everybody
else they, and their twins with underscores, are as if they had not been sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote_plus

from taskgate.errors import InvalidInput, Malformed, Unauthenticated
from taskgate.identity.keytext import holds_key
from taskgate.identity.principal import Principal

MAX_CREDENTIAL_LENGTH = 8192
QUERY_SECRETS = frozenset(
    {
        "api_key",
        "api-key",
        "apikey",
        "x-api-key",
        "x_api_key",
        "key",
        "token",
        "access_token",
        "authorization",
        "bearer",
    }
)
# Every query that holds a credential matches: a name of those above, a key, or an escape that may hide one.
_SUSPICIOUS = re.compile(rb"key|token|auth|bearer|tg_|%", re.IGNORECASE)
_SITE = re.compile(r"[A-Za-z0-9_.:@-]{1,128}")
_PERSON = re.compile(r"[A-Za-z0-9_.:@|+=/-]{0,128}")
_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9_.~-]{1,128}){1,16}")
_TENANT_FIELDS = {"x-site-id": "site_id", "x-user-id": "user_id", "x-app-id": "app_id"}

Pairs = Iterable[tuple[str | bytes, str | bytes]]


def credential_in(pairs: Pairs) -> str | None:
    """The one credential that the headers (or gRPC metadata) carry, None when there is none.

    Unauthenticated when two differ, when the scheme is not Bearer, or when it is empty, too long or not ASCII.
    """
    found: str | None = None
    for name, value in pairs:
        lowered = name.lower()
        if lowered in (b"x-api-key", "x-api-key"):
            text = _text(value)
        elif lowered in (b"authorization", "authorization"):
            scheme, _, text = _text(value).partition(" ")
            if scheme.lower() != "bearer":
                raise Unauthenticated("Authorization is only understood with the scheme Bearer")
            text = text.strip()
        else:
            continue
        if not text:
            raise Unauthenticated("the credential is empty")
        if found is not None and found != text:
            raise Unauthenticated("two different credentials were sent")
        found = text
    return found


def _text(value: str | bytes) -> str:
    if len(value) > MAX_CREDENTIAL_LENGTH:
        raise Unauthenticated("the credential is too long")
    try:
        return (value.decode("ascii") if isinstance(value, bytes) else value).strip(" \t")
    except UnicodeDecodeError:
        raise Unauthenticated("the credential is not valid") from None


def refuse_query_secrets(query: bytes) -> None:
    """Raise Malformed when a query string carries a credential; a one-use `ticket` is none."""
    if _SUSPICIOUS.search(query) is None:
        return
    text = query.decode("latin-1")
    names = {name.strip().lower() for name, _ in parse_qsl(text, keep_blank_values=True)}
    if names & QUERY_SECRETS or holds_key(text) or holds_key(unquote_plus(text)):
        raise Malformed(
            "a credential does not belong into the address: send it as X-API-Key; treat this one as leaked",
            code="CREDENTIAL_IN_QUERY",
        )


def speaking_for(principal: Principal, pairs: Pairs) -> Principal:
    """The principal as it speaks for the tenant that its headers assert; unchanged without `tenant:assert`."""
    if not principal.may("tenant:assert"):
        return principal
    asserted: dict[str, str] = {}
    for name, value in pairs:
        lowered = (name.decode("latin-1") if isinstance(name, bytes) else name).lower()
        field = _TENANT_FIELDS.get(lowered)
        if field is None:
            continue
        text = (value.decode("latin-1") if isinstance(value, bytes) else value).strip(" \t")
        if (_SITE if field == "site_id" else _PERSON).fullmatch(text) is None:
            raise InvalidInput(f"{lowered} is not a valid id", code="BAD_TENANT", extra={"header": lowered})
        if asserted.get(field, text) != text:
            raise InvalidInput(f"{lowered} was sent twice", code="BAD_TENANT", extra={"header": lowered})
        asserted[field] = text
    if not asserted:
        return principal
    asserted.setdefault("site_id", principal.site_id)
    return principal.speaking_for(
        site_id=asserted["site_id"], user_id=asserted.get("user_id", ""), app_id=asserted.get("app_id", "")
    )


def is_site_id(text: str) -> bool:
    """Whether the text may name a site: 1-128 of `A-Za-z0-9_.:@-`."""
    return _SITE.fullmatch(text) is not None


def is_person_id(text: str) -> bool:
    """Whether the text may name a user or an app of the host platform; empty means nobody in particular."""
    return _PERSON.fullmatch(text) is not None


def is_prefix(text: str) -> bool:
    """Whether the text may stand before paths: `/a/b`, without a slash at its end, dot segments or escapes."""
    return len(text) <= 256 and _PREFIX.fullmatch(text) is not None
