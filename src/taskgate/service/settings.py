"""Who announces what, where: what the author wrote, then the environment, then defaults.

Nothing here raises: a service must run whatever its settings are. What is wrong is told by `complaint`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from taskgate.secret import Secret, masked

BASE_URL = "http://127.0.0.1:8000"
RETRIES = 5
DELAY_S = 1.0
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """How a service announces itself.

    name: what it is called at the gateway (`SERVICE_NAME`). Default the application's title.
    base_url: where the gateway reaches it (`SERVICE_BASE_URL`). Default http://127.0.0.1:8000.
    gateway_url: where the gateway is (`GATEWAY_URL`). Default empty: nothing is announced.
    api_key: a key with the scope `register` (`TASKGATE_API_KEY`).
    prefix: stands before every public path (`GATEWAY_PREFIX`). Default empty.
    retries: quick tries at the start (`REGISTER_RETRIES`). Default 5. After them the pauses grow, for ever.
    delay_s: seconds between quick tries (`REGISTER_DELAY`). Default 1.
    lease_s: seconds that a registration lasts without renewal. Default None: as the gateway likes.
    """

    name: str = ""
    base_url: str = BASE_URL
    gateway_url: str = ""
    api_key: Secret = field(default=Secret(""))
    prefix: str = ""
    retries: int = RETRIES
    delay_s: float = DELAY_S
    lease_s: float | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether there is a gateway to announce anything to."""
        return bool(self.gateway_url)

    def complaint(self) -> str:
        """Why these settings cannot work; empty when they can."""
        if not self.name:
            return "the service has no name: set SERVICE_NAME"
        for variable, url in (("GATEWAY_URL", self.gateway_url), ("SERVICE_BASE_URL", self.base_url)):
            if not _is_http(url):
                return f"{variable} {masked(url)!r} is no http(s) URL"
        if self.base_url == self.gateway_url:
            return "SERVICE_BASE_URL is the gateway's own address: it must be where the gateway reaches this service"
        if self.prefix and not self.prefix.startswith("/"):
            return f"GATEWAY_PREFIX {self.prefix!r} must begin with a slash"
        return ""


def find_settings(
    env: Mapping[str, str] | None = None, *, title: str = "", lease_s: float | None = None, **given: str | None
) -> ServiceSettings:
    """The settings that result; of `given` (name, base_url, gateway_url, api_key, prefix) None means "not said"."""
    env = os.environ if env is None else env

    def said(member: str, variable: str, *, default: str = "") -> str:
        value = given.get(member)
        return (env.get(variable) or default) if value is None else value

    return ServiceSettings(
        name=said("name", "SERVICE_NAME") or slug(title),
        base_url=said("base_url", "SERVICE_BASE_URL", default=BASE_URL).rstrip("/"),
        gateway_url=said("gateway_url", "GATEWAY_URL").strip().rstrip("/"),
        api_key=Secret(said("api_key", "TASKGATE_API_KEY")),
        prefix=said("prefix", "GATEWAY_PREFIX").rstrip("/"),
        retries=int(_number(env.get("REGISTER_RETRIES"), RETRIES)),
        delay_s=_number(env.get("REGISTER_DELAY"), DELAY_S),
        lease_s=lease_s,
    )


def slug(title: str) -> str:
    """A title as a name: "Math service (beta)" is math-service-beta."""
    return _NOT_IN_NAMES.sub("-", title).strip("-.").lower()


def _number(text: str | None, default: float) -> float:
    try:
        value = float(text or default)
    except ValueError:
        return default
    return value if 0 <= value < 1e6 else default


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
