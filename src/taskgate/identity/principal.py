"""A principal: kind, scopes and tenant, always from a verified credential.

Tenant ids come only from here: names in a body, a header or a message never change them, except for a
principal with `tenant:assert`, which may speak for any site, one request at a time. `admin` implies every
other scope. A worker key serves its own site alone unless it has `serve:*`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from taskgate.errors import Forbidden
from taskgate.identity.lineage import comes_of

Scope = Literal[
    "admin",
    "submit",
    "read",
    "worker",
    "register",
    "tasks:write",
    "capabilities:write",
    "packages:write",
    "tools:execute",
    "tenant:assert",
    "serve:*",
    "metrics",
]
SCOPES: frozenset[str] = frozenset(Scope.__args__)  # type: ignore[attr-defined]
LEEWAY_S = 60.0
Kind = Literal["user", "service", "worker", "agent", "tool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is calling. `id` names the credential (an API key's public part, a subject, a SPIFFE id), never a secret.

    With `prefixes` it registers services only below these paths. With a `worker_id` it is this one worker and no other.
    A credential that ends by itself has `expires_at`; a token is taken back by its own name, `token_id`, or by what it
    was made out of (`lineage`). `issued_at` is when the first credential behind it was shown or issued, and one of our
    own tokens is changed for another before `until`.
    """

    id: str
    name: str
    kind: Kind = "user"
    scopes: frozenset[str] = frozenset()
    site_id: str = "default"
    user_id: str = ""
    app_id: str = ""
    prefixes: tuple[str, ...] = ()
    worker_id: str = ""
    token_id: str = ""
    issued_at: float = 0.0
    expires_at: float | None = None
    lineage: tuple[str, ...] = ()
    until: float = 0.0

    def is_named(self, name: str) -> bool:
        """Whether taking back what goes by this name ends this principal: its key or subject, its very token, or one
        that this was made out of."""
        return name != "" and (name in (self.id, self.token_id) or comes_of(self.lineage, name))

    def has_lapsed(self, now: float) -> bool:
        """Whether its credential has ended by itself, so long ago that clocks which differ are no excuse."""
        return self.expires_at is not None and now >= self.expires_at + LEEWAY_S

    def may(self, scope: str) -> bool:
        return scope in self.scopes or "admin" in self.scopes

    def require(self, scope: str) -> None:
        """Raise Forbidden unless the principal has the scope."""
        if not self.may(scope):
            raise Forbidden(f"this needs the scope {scope}", extra={"scope": scope})

    def serves(self, site_id: str) -> bool:
        """Whether a worker with this credential may take that site's runs."""
        return self.may("serve:*") or site_id == self.site_id

    def speaking_for(self, *, site_id: str, user_id: str = "", app_id: str = "") -> Principal:
        """The same principal for an asserted tenant; Forbidden without `tenant:assert`."""
        self.require("tenant:assert")
        return replace(self, site_id=site_id, user_id=user_id, app_id=app_id)
