"""One rule for reading who calls: present and wrong fails, two that differ fail, tenants are asserted or ignored."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.errors import InvalidInput, Malformed, Unauthenticated
from taskgate.identity.credentials import QUERY_SECRETS, credential_in, refuse_query_secrets, speaking_for
from taskgate.identity.principal import Principal

KEY = "tg_abcdefghijkl_" + "A" * 43


@pytest.mark.parametrize(
    "pairs",
    [
        [(b"x-api-key", KEY.encode())],
        [(b"authorization", b"Bearer " + KEY.encode())],
        [(b"authorization", b"bearer  " + KEY.encode())],
        [(b"x-api-key", KEY.encode()), (b"authorization", b"Bearer " + KEY.encode())],
        [(b"x-api-key", KEY.encode()), (b"x-api-key", KEY.encode())],
        [("X-API-Key", KEY)],
        [("authorization", f"Bearer {KEY}")],
    ],
)
def test_one_credential_is_read(pairs: list[tuple[str | bytes, str | bytes]]) -> None:
    assert credential_in(pairs) == KEY


def test_none_is_none() -> None:
    assert (
        credential_in([(b"accept", b"*/*"), (b"x_api_key", KEY.encode()), (b"cookie", b"key=" + KEY.encode())]) is None
    )


@pytest.mark.parametrize(
    "pairs",
    [
        [(b"x-api-key", b"")],
        [(b"x-api-key", b"   ")],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"Bearer ")],
        [(b"authorization", b"Basic dXNlcjpwYXNz")],
        [(b"authorization", KEY.encode())],
        [(b"x-api-key", KEY.encode()), (b"authorization", b"Basic dXNlcjpwYXNz")],
        [(b"x-api-key", KEY.encode()), (b"authorization", b"Bearer other")],
        [(b"x-api-key", KEY.encode()), (b"x-api-key", b"other")],
        [(b"x-api-key", "schlüssel".encode())],
        [(b"x-api-key", b"A" * 10_000_000)],
    ],
)
def test_present_and_wrong_fails(pairs: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(Unauthenticated):
        credential_in(pairs)


@pytest.mark.parametrize(
    "query",
    [
        b"api_key=x", b"API_KEY=x", b"apikey=", b"a=1&token=x", b"access_token=x", b"key=x", b"authorization=Bearer",
        b"anything=" + KEY.encode(), b"x=" + KEY.replace("tg_", "%74g%5F").encode(), KEY.encode(),
        b"a=1&b=%20" + KEY.encode(),
    ],
)  # fmt: skip
def test_secrets_in_a_query_are_refused(query: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        refuse_query_secrets(query)
    assert caught.value.code == "CREDENTIAL_IN_QUERY"
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("query", [b"", b"ticket=abc", b"after=3&limit=9", b"task=keyword", b"label=token%3D1"])
def test_other_queries_pass(query: bytes) -> None:
    refuse_query_secrets(query)


PLATFORM = Principal(id="p", name="platform", scopes=frozenset({"tenant:assert"}), site_id="platform")
CALLER = Principal(id="c", name="caller", scopes=frozenset({"submit", "read"}), site_id="acme", user_id="u1")


def test_a_platform_speaks_for_a_tenant() -> None:
    told = speaking_for(PLATFORM, [(b"x-site-id", b"acme"), (b"x-user-id", b"u@acme.example"), (b"x-app-id", b"app")])
    assert (told.site_id, told.user_id, told.app_id) == ("acme", "u@acme.example", "app")
    assert told.id == "p"
    assert speaking_for(PLATFORM, [(b"x-user-id", b"u9")]).site_id == "platform"
    assert speaking_for(PLATFORM, [(b"x_site_id", b"acme")]) is PLATFORM


def test_others_are_who_they_are() -> None:
    """INV-A2: the names are as if they had not been sent."""
    assert speaking_for(CALLER, [(b"x-site-id", b"other"), (b"x-user-id", b"u2"), (b"x_user_id", b"u2")]) is CALLER


@pytest.mark.parametrize("site", [b"", b"*", b"a b", b"a\tb", b"a/../b", b"x" * 129, "ä".encode(), b"a\x00"])
def test_an_asserted_tenant_is_a_plain_id(site: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        speaking_for(PLATFORM, [(b"x-site-id", site)])
    assert caught.value.code == "BAD_TENANT"


def test_two_asserted_tenants_are_refused() -> None:
    with pytest.raises(InvalidInput):
        speaking_for(PLATFORM, [(b"x-site-id", b"a"), (b"x-site-id", b"b")])


@given(
    st.lists(
        st.one_of(
            st.sampled_from([*QUERY_SECRETS, "&", "=", "%", "%6b", "+", "KEY", "\u212a", "tg_", "page", ";", "ſ"]),
            st.text(alphabet=st.characters(max_codepoint=255), max_size=4),
        ),
        max_size=8,
    ).map("".join)
)
def test_the_first_look_at_a_query_lets_no_secret_pass(text: str) -> None:
    """What is let through unread would have been let through by reading it."""
    query = text.encode("latin-1", "replace")
    names = {name.strip().lower() for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)}
    if names & QUERY_SECRETS:
        with pytest.raises(Malformed):
            refuse_query_secrets(query)
