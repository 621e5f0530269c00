"""What a service believes of who calls: what the gateway signed for it, lately, and nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.errors import Unauthenticated
from taskgate.identity.principal import Principal
from taskgate.identity.signing import IdentitySigner
from taskgate.proxy.vouching import Vouching
from taskgate.service import Identity, verify_identity

SIGNER = IdentitySigner(b"r" * 32)
AUDIENCE = ("acme", "shop")
SECRET = SIGNER.secret_of("shop", site_id="acme")


def sent(site: str = "acme", user: str = "u1", app: str = "") -> list[tuple[str, str]]:
    """The headers that the data plane writes."""
    who = Principal(id="k", name="n", site_id=site, user_id=user, app_id=app)
    lines = Vouching(SIGNER).lines(AUDIENCE, who, now=0.0)
    return [(name, value) for name, _, value in (line.partition(": ") for line in lines.decode().splitlines())]


def signed_at(headers: list[tuple[str, str]]) -> float:
    found = re.search(r"t=([0-9]+)", dict(headers)["x-taskgate-identity"])
    assert found is not None
    return float(found[1])


def test_what_the_gateway_signed() -> None:
    who = Identity(site_id="acme", user_id="u1", app_id="")
    assert verify_identity(sent(), SECRET) == who
    assert verify_identity({name.title(): value for name, value in sent()}, SECRET) == who
    assert verify_identity([*sent(), ("accept", "a"), ("accept", "b")], SECRET) == who


@given(st.text(max_size=9), st.text(max_size=9), st.text(max_size=9))
def test_names_of_any_kind(site: str, user: str, app: str) -> None:
    identity = verify_identity(sent(site, user, app), SECRET)
    assert identity == Identity(**{f"{key}_id": dict(sent(site, user, app)).get(f"x-{key}-id", "")
                                   for key in ("site", "user", "app")})  # fmt: skip


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [pair for pair in sent() if pair[0] != "x-taskgate-identity"],
        [("x-site-id", "other"), *sent()[1:]],
        [*sent(), ("x-app-id", "forged")],
        [*sent(), ("X-User-Id", "u2")],
        [*sent(), ("x-taskgate-identity", "v1,t=1,aaaa")],
        [*sent()[:-1], ("x-taskgate-identity", sent()[-1][1].replace("t=", "t=1"))],
        [*sent()[:-1], ("x-taskgate-identity", "v1,t=1," + "\u00e9" * 43 + "=")],
        [*sent()[:-1], ("x-taskgate-identity", sent()[-1][1] + "\n")],
    ],
)
def test_everything_else_is_refused(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(Unauthenticated) as refused:
        verify_identity(headers, SECRET)
    assert refused.value.code == "IDENTITY_UNPROVED"
    assert SECRET not in refused.value.detail


def test_another_services_secret_or_none() -> None:
    for secret in (SIGNER.secret_of("shop", site_id="globex"), SIGNER.secret_of("till", site_id="acme"), ""):
        with pytest.raises(Unauthenticated):
            verify_identity(sent(), secret)


def test_a_signature_gets_old_and_clocks_differ() -> None:
    headers = sent()
    at = signed_at(headers)
    for moment in (at + 299, at - 299):
        verify_identity(headers, SECRET, now=moment)
    for moment in (at + 301, at - 301):
        with pytest.raises(Unauthenticated):
            verify_identity(headers, SECRET, now=moment)
