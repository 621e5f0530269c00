"""The words of a service on the wire: register, renew, withdraw. Nothing is decided here.

Redirects are never followed: the key goes to the one URL that was named. What comes back is never quoted whole.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec
import urllib3
from urllib3.exceptions import HTTPError, LocationParseError

from taskgate import __version__
from taskgate.secret import masked
from taskgate.service.announcing import Reply
from taskgate.service.settings import ServiceSettings

CONNECT_S = 5.0
ANSWER_S = 15.0
LEAVE_S = 2.0


class Line:
    """One service's connection to its gateway; for one thread at a time."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._headers = {"Accept": "application/json", "User-Agent": f"taskgate-service/{__version__}"}
        if settings.api_key:
            self._headers["X-API-Key"] = str(settings.api_key)
        self._place = f"/gateway/services/{quote(settings.name, safe='')}"
        self._pool = urllib3.PoolManager(num_pools=1, maxsize=1, retries=False)

    def register(self, body: bytes) -> Reply:
        return self._exchange("POST", "/gateway/register", body=body)

    def renew(self) -> Reply:
        return self._exchange("PUT", f"{self._place}/lease")

    def withdraw(self) -> Reply:
        """Asked once, with little patience: the lease ends by itself."""
        return self._exchange("DELETE", self._place, answer_s=LEAVE_S)

    def close(self) -> None:
        self._pool.clear()

    def _exchange(self, method: str, path: str, *, body: bytes = b"", answer_s: float = ANSWER_S) -> Reply:
        headers = {**self._headers, "Content-Type": "application/json"} if body else self._headers
        url = self._settings.gateway_url + path
        try:
            answer = self._pool.urlopen(
                method,
                url,
                body=body or None,
                headers=headers,
                timeout=urllib3.Timeout(connect=min(CONNECT_S, answer_s), read=answer_s),
                retries=False,
                redirect=False,
            )
        except (HTTPError, LocationParseError, OSError) as error:
            where = masked(self._settings.gateway_url)
            return Reply(status=0, detail=f"no answer from the gateway at {where} ({type(error).__name__})")
        return reply_of(answer.status, answer.data, after=answer.headers.get("Retry-After", ""))


def reply_of(status: int, body: bytes, *, after: str = "") -> Reply:
    """The reply that an answer stands for; a body that is no JSON object is passed over."""
    told = _document(body)
    routes, warnings = told.get("routes"), told.get("warnings")
    detail = told.get("detail") or told.get("message") or ""
    path = told.get("path")
    where = f" (at {path})" if isinstance(path, str) and path else ""
    return Reply(
        status=status,
        detail="" if 200 <= status < 300 else f"{status} {told.get('code') or ''} {detail}{where}".strip(),
        lease_s=_positive(told.get("lease_s")) if "lease_s" in told else None,
        renew_after_s=_positive(told.get("renew_after_s")),
        retry_after_s=float(after[:6]) if after.isascii() and after.isdigit() else 0.0,
        routes=len(routes) if isinstance(routes, list) else routes if isinstance(routes, int) else 0,
        warnings=tuple(map(_warning, warnings)) if isinstance(warnings, list) else (),
        identity_secret=secret if isinstance(secret := told.get("identity_secret"), str) else "",
    )


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _warning(told: Any) -> str:
    return told if isinstance(told, str) else msgspec.json.encode(told).decode()


def _positive(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and 0 < value < 1e6 else 0.0
