"""What a call to a route may do: who, how often, how long, what happens when its upstream fails.

A policy is written per service and per route; what a route leaves out it takes from its service, and what both
leave out from the gateway's defaults (`effective`). Seconds and bytes. Values are checked when they are registered
(`registering.py`), never per request.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Trigger = Literal["connect", "first_byte_timeout", "5xx"]
Partition = Literal["principal", "tenant", "route"]
Recording = Literal["none", "failures", "all"]


class Timeouts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long an upstream may take. `idle_s` is silence once its answer has begun; `total_s` 0 is no limit."""

    connect_s: float = 5.0
    first_byte_s: float = 60.0
    idle_s: float = 300.0
    total_s: float = 0.0


class RateLimit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A token bucket for every principal, every tenant, or one for the route: `burst` at once, `rate` a second."""

    rate: float
    burst: float
    per: Partition = "principal"


class BreakerRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When an upstream is left alone: `failures` in a row, or `ratio` of at least `min_calls` within `window_s`.

    It stays open for `open_s`, then lets `probes` calls through. `failures` 0 switches the breaker off.
    """

    failures: int = 5
    ratio: float = 0.5
    min_calls: int = 10
    window_s: float = 60.0
    open_s: float = 30.0
    probes: int = 1


class RetryRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How often the same upstream is asked again before a byte of an answer has come, idempotent methods only.

    Retries may be at most `budget` of the live calls to that upstream (and always ten per 10 s).
    """

    count: int = 1
    budget: float = 0.2


class Alternative(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a call goes next: exactly one of an upstream's base URL, a registered service, or a task."""

    upstream: str = ""
    service: str = ""
    task: str = ""


class Fallback(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """On which failures the call goes on to which alternatives, in order; `total_s` is over the whole chain."""

    on: tuple[Trigger, ...] = ("connect", "first_byte_timeout", "5xx")
    to: tuple[Alternative, ...] = ()
    total_s: float = 60.0


class Policy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One policy as written: None says "as the level above".

    scope: what the caller's key must allow ("" = any good key). credential: what the upstream gets: `none`, the
    `caller`'s own, or `set:NAME`, a credential that the operator named in the settings.
    repeatable: a non-idempotent call may be sent again, from the replay buffer.
    """

    scope: str | None = None
    rate_limits: tuple[RateLimit, ...] | None = None
    timeouts: Timeouts | None = None
    max_body_bytes: int | None = None
    breaker: BreakerRule | None = None
    retry: RetryRule | None = None
    fallback: Fallback | None = None
    credential: str | None = None
    repeatable: bool | None = None
    record: Recording | None = None


class Effective(msgspec.Struct, frozen=True, kw_only=True):
    """A policy with nothing left open: what the data plane works with."""

    scope: str = "submit"
    rate_limits: tuple[RateLimit, ...] = ()
    timeouts: Timeouts = Timeouts()
    max_body_bytes: int = 10 << 20
    breaker: BreakerRule = BreakerRule()
    retry: RetryRule = RetryRule()
    fallback: Fallback = Fallback()
    credential: str = "none"
    repeatable: bool = False
    record: Recording = "none"


def effective(*levels: Policy, defaults: Effective) -> Effective:
    """The policy that results; the first level (the route's) wins over later ones (its service's), then defaults."""
    found: dict[str, object] = {}
    for name in Effective.__struct_fields__:
        for level in levels:
            value = getattr(level, name)
            if value is not None:
                found[name] = value
                break
    return msgspec.structs.replace(defaults, **found) if found else defaults
