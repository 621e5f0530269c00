"""Every word and number of a registration has bounds, and a refusal names its place."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from taskgate.errors import Forbidden, InvalidInput, TooLarge
from taskgate.identity.principal import Principal
from taskgate.routes.checking import base_url_of, check_count, check_credentials, check_registration, check_rights
from taskgate.routes.policy import Alternative, BreakerRule, Fallback, Policy, RateLimit, RetryRule, Timeouts
from taskgate.routes.registration import Registration, WantedRoute
from taskgate.routes.settings import RouteSettings

SETTINGS = RouteSettings(max_document_bytes=1000, max_routes=3)
FINE = Registration(name="math", base_url="http://127.0.0.1:8082")
ROUTE = WantedRoute(name="add", method="post", gateway_path="/a")


def check(asked: Registration) -> None:
    check_registration(asked, SETTINGS, max_body_bytes=5000)


def place_of(asked: Registration) -> object:
    with pytest.raises(InvalidInput) as refused:
        check(asked)
    assert refused.value.detail.isprintable()
    return refused.value.extra["path"]


def with_route(**changes: Any) -> Registration:
    return msgspec.structs.replace(FINE, routes=(ROUTE, msgspec.structs.replace(ROUTE, **changes)))


NASTY = [
    "a\r\nSet-Cookie: x=1",
    "a\nb",
    "a\x00b",
    "a\x1b[31m",
    "ä",
    "a b",
    "",
    "x" * 129,
    "/a",
    ".a",
    "\u202ea",
    "a\udc80",
]


@pytest.mark.parametrize("name", NASTY)
def test_names(name: str) -> None:
    """S17: nothing that could end a header or a line becomes a name."""
    assert place_of(msgspec.structs.replace(FINE, name=name)) == "/name"
    assert place_of(with_route(name=name)) == "/routes/1/name"


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "", "GET\r\n", "G ET", "**", "BREW"])
def test_methods(method: str) -> None:
    assert place_of(with_route(method=method)) == "/routes/1/method"


@pytest.mark.parametrize("text", ["a\r\nX: y", "a\x00", "\u202e", "x" * 257])
def test_summaries_are_one_line(text: str) -> None:
    assert place_of(with_route(summary=text)) == "/routes/1/summary"


def test_descriptions_have_lines_and_nothing_else() -> None:
    check(with_route(description="## Head\n\n- a\tb\r\n- ü ✓"))
    assert place_of(with_route(description="a\x1b[0m")) == "/routes/1/description"
    assert place_of(with_route(description="a" * 20_001)) == "/routes/1/description"


@pytest.mark.parametrize(
    "url",
    [
        "http://a", "https://a.example/", "http://a:8080/api/v1", "http://[::1]:8082", "http://127.0.0.1:1/x",
        "http://a:65535",
    ],
)  # fmt: skip
def test_base_urls(url: str) -> None:
    assert base_url_of(url, "/base_url").text.startswith(("http://", "https://"))


@pytest.mark.parametrize(
    "url",
    [
        "", "a", "//a", "ftp://a", "file:///etc/passwd", "gopher://a", "unix:/run/x", "http://", "http:///x",
        "http://u@a", "http://u:p@a", "http://u@h#@x/", "http://a:0", "http://a:65536", "http://a:x", "http://a b",
        "http://a\r\nX: y", "http://ä", "http://①②⑦.0.0.1", "http://a/%2e%2e", "http://a/../b", "http://a/./b",
        "http://a//b", "http://a/{x}", "http://a?x=1", "http://a/x#y", "http://a\\b", "http://[::1", "http://a/b;c",
        "http://[fe80::1%25eth0]/", "http://a/" + "x" * 2048,
    ],
)  # fmt: skip
def test_what_is_no_base_url(url: str) -> None:
    """S10: only what every parser reads in the same way."""
    assert place_of(msgspec.structs.replace(FINE, base_url=url)) == "/base_url"


def test_a_document_has_one_source_and_a_limit() -> None:
    address = "https://a.example/openapi.json?lang=en"
    check(msgspec.structs.replace(FINE, openapi_url=address))
    both = msgspec.structs.replace(FINE, openapi_url=address, document=b"{}")
    assert place_of(both) == "/openapi"
    assert place_of(msgspec.structs.replace(FINE, openapi_url="file:///etc/passwd")) == "/openapi_url"
    with pytest.raises(TooLarge):
        check(msgspec.structs.replace(FINE, document=b" " * 1001))


@pytest.mark.parametrize("lease_s", [-1.0, 0.5, 3600.5, float("nan"), float("inf")])
def test_leases_have_bounds(lease_s: float) -> None:
    check(msgspec.structs.replace(FINE, lease_s=0.0))
    assert place_of(msgspec.structs.replace(FINE, lease_s=lease_s)) == "/lease_s"


def test_the_quota_of_routes() -> None:
    check_count(3, SETTINGS)
    with pytest.raises(InvalidInput) as refused:
        check_count(4, SETTINGS)
    assert refused.value.code == "TOO_MANY_ROUTES"


def test_a_route_leads_to_one_thing() -> None:
    check(with_route(task="math.add"))
    assert place_of(with_route(task="math.add", upstream_path="/x")) == "/routes/1/task"
    assert place_of(with_route(task="math add")) == "/routes/1/task"
    assert place_of(with_route(wait_s=-1.0)) == "/routes/1/wait_s"
    assert place_of(with_route(request_example=msgspec.Raw(b'"' + b"x" * 70_000 + b'"'))) == "/routes/1/request_example"


UPSTREAM = Alternative(upstream="https://b.example")
POLICIES: list[tuple[str, Any]] = [
    ("scope", Policy(scope="root")),
    ("credential", Policy(credential="set:")),
    ("credential", Policy(credential="set:a\r\nb")),
    ("credential", Policy(credential="mine")),
    ("record", Policy(record="some")),  # type: ignore[arg-type]
    ("max_body_bytes", Policy(max_body_bytes=5001)),
    ("max_body_bytes", Policy(max_body_bytes=-1)),
    ("rate_limits", Policy(rate_limits=(RateLimit(rate=1, burst=1),) * 9)),
    ("rate_limits/0/rate", Policy(rate_limits=(RateLimit(rate=0, burst=1),))),
    ("rate_limits/0/burst", Policy(rate_limits=(RateLimit(rate=1, burst=0.5),))),
    ("rate_limits/1/rate", Policy(rate_limits=(RateLimit(rate=1, burst=1), RateLimit(rate=float("nan"), burst=1)))),
    ("rate_limits/0/per", Policy(rate_limits=(RateLimit(rate=1, burst=1, per="planet"),))),  # type: ignore[arg-type]
    ("timeouts/connect_s", Policy(timeouts=Timeouts(connect_s=0))),
    ("timeouts/first_byte_s", Policy(timeouts=Timeouts(first_byte_s=1e9))),
    ("timeouts/idle_s", Policy(timeouts=Timeouts(idle_s=-1))),
    ("timeouts/total_s", Policy(timeouts=Timeouts(total_s=float("inf")))),
    ("breaker/failures", Policy(breaker=BreakerRule(failures=-1))),
    ("breaker/ratio", Policy(breaker=BreakerRule(ratio=1.5))),
    ("breaker/min_calls", Policy(breaker=BreakerRule(min_calls=0))),
    ("breaker/window_s", Policy(breaker=BreakerRule(window_s=0))),
    ("breaker/open_s", Policy(breaker=BreakerRule(open_s=0))),
    ("breaker/probes", Policy(breaker=BreakerRule(probes=0))),
    ("retry/count", Policy(retry=RetryRule(count=6))),
    ("retry/budget", Policy(retry=RetryRule(budget=1.1))),
    ("fallback/total_s", Policy(fallback=Fallback(to=(UPSTREAM,), total_s=0))),
    ("fallback/on", Policy(fallback=Fallback(on=("4xx",), to=(UPSTREAM,)))),  # type: ignore[arg-type]
    ("fallback/to", Policy(fallback=Fallback(to=(UPSTREAM,) * 9))),
    ("fallback/to/0", Policy(fallback=Fallback(to=(Alternative(),)))),
    ("fallback/to/0", Policy(fallback=Fallback(to=(Alternative(service="a", task="b"),)))),
    ("fallback/to/0/upstream", Policy(fallback=Fallback(to=(Alternative(upstream="http://u@b"),)))),
    ("fallback/to/0/service", Policy(fallback=Fallback(to=(Alternative(service="a b"),)))),
    ("fallback/to/1/task", Policy(fallback=Fallback(to=(UPSTREAM, Alternative(task="/"))))),
]


@pytest.mark.parametrize(("place", "policy"), POLICIES, ids=[f"{n}-{place}" for n, (place, _) in enumerate(POLICIES)])
def test_policies_have_bounds(place: str, policy: Policy) -> None:
    assert place_of(msgspec.structs.replace(FINE, policy=policy)) == f"/policy/{place}"
    assert place_of(with_route(policy=policy)) == f"/routes/1/policy/{place}"


def test_a_full_policy_is_fine() -> None:
    policy = Policy(
        scope="",
        rate_limits=(RateLimit(rate=0.1, burst=1, per="tenant"),),
        timeouts=Timeouts(),
        max_body_bytes=5000,
        breaker=BreakerRule(failures=0),
        retry=RetryRule(count=0),
        fallback=Fallback(to=(UPSTREAM, Alternative(service="spare"), Alternative(task="math.add"))),
        credential="set:OPENAI_KEY",
        repeatable=True,
        record="all",
    )
    check(msgspec.structs.replace(FINE, policy=policy))


def test_a_named_credential_is_one_that_the_operator_named() -> None:
    known = {"OPENAI_KEY": b""}
    for credential in ("none", "caller", "set:OPENAI_KEY"):
        check_credentials(with_route(policy=Policy(credential=credential)), known)
    with pytest.raises(InvalidInput) as refused:
        check_credentials(with_route(policy=Policy(credential="set:NOBODY")), known)
    assert (refused.value.code, refused.value.extra["path"]) == ("UNKNOWN_CREDENTIAL", "/routes/1/policy/credential")


@pytest.mark.parametrize(
    ("scopes", "policy", "shared", "is_allowed"),
    [
        ({"register"}, Policy(), None, True),
        ({"submit", "read"}, Policy(), None, False),
        ({"register"}, Policy(), True, False),
        ({"register", "serve:*"}, Policy(), True, True),
        ({"register"}, Policy(credential="none"), None, True),
        ({"register"}, Policy(credential="caller"), None, False),
        ({"register", "serve:*"}, Policy(credential="caller"), None, True),
        ({"register", "serve:*"}, Policy(credential="set:K"), None, False),
        ({"admin"}, Policy(credential="set:K"), True, True),
    ],
)
def test_credentials_are_not_handed_to_everybody(
    scopes: set[str], policy: Policy, shared: bool | None, *, is_allowed: bool
) -> None:
    """INV-A6: who only may register cannot have callers' keys, or the operator's, sent to a server of its own."""
    principal = Principal(id="k", name="k", scopes=frozenset(scopes))
    on_service = msgspec.structs.replace(FINE, policy=policy, shared=shared)
    on_route = msgspec.structs.replace(FINE, routes=(msgspec.structs.replace(ROUTE, policy=policy),), shared=shared)
    for asked in (on_service, on_route):
        if is_allowed:
            check_rights(principal, asked)
        else:
            with pytest.raises(Forbidden):
                check_rights(principal, asked)
