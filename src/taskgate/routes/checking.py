"""What is wrong with an announced service: names, addresses, numbers, rights. Paths are `paths.py`'s matter.

Everything is judged here once, so that the data plane meets only values that are in bounds. Each refusal is an
InvalidInput whose `extra["path"]` is a JSON pointer into what was sent, or Forbidden where the key does not allow it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container
from typing import get_args

from taskgate.errors import Forbidden, InvalidInput, TooLarge
from taskgate.identity.principal import SCOPES, Principal
from taskgate.ids import is_task_name, is_worker_id
from taskgate.reach.addresses import Address, read_base_url, read_url
from taskgate.routes.policy import Alternative, Fallback, Partition, Policy, RateLimit, Recording, Trigger
from taskgate.routes.registration import Registration, WantedRoute
from taskgate.routes.settings import RouteSettings
from taskgate.routes.table import ANY

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", ANY})
DAY_S = 86_400.0
MAX_RATE_LIMITS = 8
MAX_ALTERNATIVES = 8
MAX_EXAMPLE_BYTES = 64 << 10
_BASE_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9_.~:@!$&',=-]+)*")
_CREDENTIAL = re.compile(r"none|caller|set:[A-Za-z0-9_.-]{1,64}")


def refused(where: str, why: str, *, code: str | None = None) -> InvalidInput:
    """The error for one place of what was sent."""
    return InvalidInput(f"{where[1:]}: {why}", code=code, extra={"path": where})


def check_registration(asked: Registration, settings: RouteSettings, *, max_body_bytes: int) -> None:
    """Everything that can be said without looking at paths, documents or other services."""
    if not is_worker_id(asked.name):
        raise refused("/name", "1-128 characters of A-Za-z0-9_.:@-", code="BAD_NAME")
    base_url_of(asked.base_url, "/base_url")
    if asked.openapi_url:
        read_url(asked.openapi_url, path="/openapi_url")
    if asked.openapi_url and asked.document:
        raise refused("/openapi", "either a document or its address, not both")
    if len(asked.document) > settings.max_document_bytes:
        raise TooLarge(
            "the document is too large",
            extra={"path": "/openapi", "limit_bytes": settings.max_document_bytes},
        )
    if asked.lease_s is not None and asked.lease_s != 0:
        _within(asked.lease_s, "/lease_s", low=1.0, high=settings.max_lease_s)
    check_policy(asked.policy, "/policy", max_body_bytes=max_body_bytes)
    for index, route in enumerate(asked.routes or ()):
        _check_route(route, f"/routes/{index}", max_body_bytes=max_body_bytes)


def check_count(count: int, settings: RouteSettings) -> None:
    """InvalidInput (TOO_MANY_ROUTES) above the quota of one service."""
    if count > settings.max_routes:
        raise refused("/routes", f"a service has at most {settings.max_routes} routes", code="TOO_MANY_ROUTES")


def check_credentials(asked: Registration, known: Container[str]) -> None:
    """InvalidInput (UNKNOWN_CREDENTIAL) for a `set:NAME` that the settings do not have: the upstream would get none."""
    places = {"/policy": asked.policy}
    places |= {f"/routes/{index}/policy": route.policy for index, route in enumerate(asked.routes or ())}
    for where, policy in places.items():
        kind, _, name = (policy.credential or "").partition(":")
        if kind == "set" and name not in known:
            raise refused(f"{where}/credential", "the settings name no such credential", code="UNKNOWN_CREDENTIAL")


def check_rights(principal: Principal, asked: Registration) -> None:
    """Forbidden where the policy hands out what only operators may: credentials go to operators' services alone."""
    principal.require("register")
    if asked.shared and not principal.may("serve:*"):
        raise Forbidden("a service of every site needs the scope serve:*", extra={"scope": "serve:*"})
    for policy in (asked.policy, *(route.policy for route in asked.routes or ())):
        credential = policy.credential or "none"
        if credential.startswith("set:"):
            principal.require("admin")
        elif credential == "caller":
            principal.require("serve:*")


def _check_route(route: WantedRoute, where: str, *, max_body_bytes: int) -> None:
    if not is_worker_id(route.name):
        raise refused(f"{where}/name", "1-128 characters of A-Za-z0-9_.:@-", code="BAD_NAME")
    if route.method.upper() not in METHODS:
        raise refused(f"{where}/method", f"one of {', '.join(sorted(METHODS))}", code="BAD_METHOD")
    for member in ("summary", "description"):
        text = getattr(route, member)
        longest = 256 if member == "summary" else 20_000
        if len(text) > longest or not is_text(text, is_line=member == "summary"):
            raise refused(f"{where}/{member}", f"plain text of at most {longest} characters")
    for member in ("request_example", "response_example"):
        example = getattr(route, member)
        if example is not None and len(bytes(example)) > MAX_EXAMPLE_BYTES:
            raise refused(f"{where}/{member}", f"at most {MAX_EXAMPLE_BYTES} bytes")
    if route.task and not is_task_name(route.task):
        raise refused(f"{where}/task", "not the name of a task", code="BAD_TASK_NAME")
    if route.task and route.upstream_path:
        raise refused(f"{where}/task", "a route leads to a task or to an upstream path, not to both")
    _within(route.wait_s, f"{where}/wait_s", low=0.0, high=3600.0)
    check_policy(route.policy, f"{where}/policy", max_body_bytes=max_body_bytes)


def is_text(text: str, *, is_line: bool) -> bool:
    """Whether a page may show it: no control or direction characters, line breaks only outside of lines."""
    plain = text if is_line else text.replace("\r\n", " ").replace("\n", " ").replace("\t", " ")
    return plain.isprintable()


def base_url_of(text: str, where: str) -> Address:
    """A base URL whose path is plain segments; InvalidInput (BAD_ADDRESS) that names the place for anything else."""
    address = read_base_url(text, path=where)
    if _BASE_PATH.fullmatch(address.target) is None:
        raise refused(where, "its path has plain segments only: A-Za-z0-9_.~:@!$&',=-", code="BAD_ADDRESS")
    return address


def check_policy(policy: Policy, where: str, *, max_body_bytes: int) -> None:
    """Names known, numbers in bounds."""
    if policy.scope and policy.scope not in SCOPES:
        raise refused(f"{where}/scope", "there is no such scope", code="UNKNOWN_SCOPE")
    if policy.credential is not None and _CREDENTIAL.fullmatch(policy.credential) is None:
        raise refused(f"{where}/credential", "none, caller or set:NAME")
    if policy.record is not None and policy.record not in get_args(Recording):
        raise refused(f"{where}/record", "none, failures or all")
    if policy.max_body_bytes is not None:
        _within(policy.max_body_bytes, f"{where}/max_body_bytes", low=0, high=max_body_bytes)
    if len(policy.rate_limits or ()) > MAX_RATE_LIMITS:
        raise refused(f"{where}/rate_limits", f"at most {MAX_RATE_LIMITS}")
    for index, limit in enumerate(policy.rate_limits or ()):
        _check_rate(limit, f"{where}/rate_limits/{index}")
    _check_numbers(policy, where)
    if policy.fallback is not None:
        _check_fallback(policy.fallback, f"{where}/fallback")


def _check_numbers(policy: Policy, where: str) -> None:
    if (times := policy.timeouts) is not None:
        _within(times.connect_s, f"{where}/timeouts/connect_s", low=0.001, high=60.0)
        _within(times.first_byte_s, f"{where}/timeouts/first_byte_s", low=0.001, high=3600.0)
        _within(times.idle_s, f"{where}/timeouts/idle_s", low=0.001, high=DAY_S)
        _within(times.total_s, f"{where}/timeouts/total_s", low=0.0, high=DAY_S)
    if (rule := policy.breaker) is not None:
        _within(rule.failures, f"{where}/breaker/failures", low=0, high=10_000)
        _within(rule.ratio, f"{where}/breaker/ratio", low=0.01, high=1.0)
        _within(rule.min_calls, f"{where}/breaker/min_calls", low=1, high=100_000)
        _within(rule.window_s, f"{where}/breaker/window_s", low=1.0, high=3600.0)
        _within(rule.open_s, f"{where}/breaker/open_s", low=0.1, high=3600.0)
        _within(rule.probes, f"{where}/breaker/probes", low=1, high=100)
    if (retry := policy.retry) is not None:
        _within(retry.count, f"{where}/retry/count", low=0, high=5)
        _within(retry.budget, f"{where}/retry/budget", low=0.0, high=1.0)


def _check_rate(limit: RateLimit, where: str) -> None:
    _within(limit.rate, f"{where}/rate", low=0.000_001, high=10_000_000.0)
    _within(limit.burst, f"{where}/burst", low=1.0, high=10_000_000.0)
    if limit.per not in get_args(Partition):
        raise refused(f"{where}/per", "principal, tenant or route")


def _check_fallback(fallback: Fallback, where: str) -> None:
    _within(fallback.total_s, f"{where}/total_s", low=0.001, high=DAY_S)
    if not set(fallback.on) <= set(get_args(Trigger)):
        raise refused(f"{where}/on", "connect, first_byte_timeout or 5xx")
    if len(fallback.to) > MAX_ALTERNATIVES:
        raise refused(f"{where}/to", f"at most {MAX_ALTERNATIVES} alternatives")
    for index, alternative in enumerate(fallback.to):
        _check_alternative(alternative, f"{where}/to/{index}")


def _check_alternative(alternative: Alternative, where: str) -> None:
    told = [name for name in ("upstream", "service", "task") if getattr(alternative, name)]
    if len(told) != 1:
        raise refused(where, "exactly one of upstream, service and task")
    if alternative.upstream:
        base_url_of(alternative.upstream, f"{where}/upstream")
    if alternative.service and not is_worker_id(alternative.service):
        raise refused(f"{where}/service", "not the name of a service", code="BAD_NAME")
    if alternative.task and not is_task_name(alternative.task):
        raise refused(f"{where}/task", "not the name of a task", code="BAD_TASK_NAME")


def _within(value: float, where: str, *, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise refused(where, f"within {low:g}..{high:g}")
