"""Whether the identity headers of a request were written by the gateway: `verify_identity(headers, secret)`.

The secret is the `identity_secret` of the registration (`register(app).identity_secret`). A service that other
machines can reach past its gateway must not believe X-Site-Id, X-User-Id and X-App-Id without this.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from taskgate.errors import Unauthenticated

SIGNATURE = "x-taskgate-identity"
NAMES = ("x-site-id", "x-user-id", "x-app-id")
_VALUE = re.compile(r"v1,t=([0-9]{1,12}),([A-Za-z0-9+/]{43}=)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who calls: percent-encoded where it is not visible ASCII, "" where the gateway knows none."""

    site_id: str
    user_id: str
    app_id: str


def verify_identity(
    headers: Mapping[str, str] | Iterable[tuple[str, str]],
    secret: str,
    *,
    max_age_s: float = 300.0,
    now: float | None = None,
) -> Identity:
    """Who calls, proved. Unauthenticated (IDENTITY_UNPROVED) where the signature is missing, wrong or too old.

    `headers` is a request's mapping or its pairs, names in any case; a name that stands twice is refused. `max_age_s`
    bounds how far the two clocks may be apart too; the gateway signs anew every minute. `now` is for tests.
    """
    found: dict[str, str] = {}
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        lowered = name.lower()
        if lowered == SIGNATURE or lowered in NAMES:
            if lowered in found:
                raise _refused(f"{lowered} stands twice")
            found[lowered] = value
    parts = _VALUE.fullmatch(found.get(SIGNATURE, ""))
    if parts is None or not secret:
        raise _refused("there is no signature that can be checked")
    values = [found.get(name, "") for name in NAMES]
    text = "\n".join(("v1", parts[1], *values)).encode("utf-8", "surrogatepass")
    if not hmac.compare_digest(hmac.digest(secret.encode(), text, hashlib.sha256), base64.b64decode(parts[2])):
        raise _refused("the signature is not the gateway's")
    if abs((time.time() if now is None else now) - int(parts[1])) > max_age_s:
        raise _refused("the signature is too old")
    return Identity(site_id=values[0], user_id=values[1], app_id=values[2])


def _refused(why: str) -> Unauthenticated:
    return Unauthenticated(f"who calls is not proved: {why}", code="IDENTITY_UNPROVED")
