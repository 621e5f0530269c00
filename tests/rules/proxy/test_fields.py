"""What becomes of a header by its name (S15, S16)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.proxy.fields import BELIEVED, CERTIFIED, FORWARDED, LEFT_BEHIND, SPECIAL, read_field, remembered_field

FORWARDED_NAMES = [
    b"accept", b"content-type", b"cookie", b"x-custom", b"x_custom", b"sec-websocket-key", b"origin", b"range",
    b"x-site", b"idempotency-key", b"if-none-match",
]  # fmt: skip
LEFT_BEHIND_NAMES = [
    b"keep-alive", b"proxy-connection", b"te", b"trailer", b"proxy-authorization", b"http2-settings",
    b"x-site-id", b"x-user-id", b"x-app-id", b"x-real-ip", b"x-forwarded-user",
    b"x-http-method-override", b"x-original-url", b"x-rewrite-url", b"x-internal-auth", b"x-principal", b"x-scopes",
    b"remote-user",
]  # fmt: skip
SPECIAL_NAMES = [
    b"host",
    b"content-length",
    b"transfer-encoding",
    b"connection",
    b"authorization",
    b"x-api-key",
    b"via",
]
TWINS = [
    b"x_site_id", b"x-site_id", b"X_Site-Id", b"X_USER_ID", b"x_forwarded_for", b"content_length", b"transfer_encoding",
    b"x_api_key", b"x_real_ip", b"x_forwarded_user", b"x_http_method_override", b"proxy_authorization",
]  # fmt: skip


@pytest.mark.parametrize("name", FORWARDED_NAMES)
def test_ordinary_names_go_on(name: bytes) -> None:
    assert read_field(name.upper()) == (name, name + b": ", FORWARDED)


@pytest.mark.parametrize("name", LEFT_BEHIND_NAMES)
def test_what_is_not_the_callers_to_say_is_left_behind(name: bytes) -> None:
    assert read_field(name.title())[2] == LEFT_BEHIND


def test_a_certificate_is_believed_of_some_peers_and_goes_on_from_none() -> None:
    """Under `CERTIFIED` it is left behind like the others (S16)."""
    assert read_field(b"X-Forwarded-Client-Cert")[2] == CERTIFIED


@pytest.mark.parametrize("name", SPECIAL_NAMES)
def test_what_the_gateway_reads_itself_is_kept_aside(name: bytes) -> None:
    assert read_field(name.title())[2] == SPECIAL


@pytest.mark.parametrize("name", [b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"])
def test_what_trusted_peers_say(name: bytes) -> None:
    assert read_field(name.title())[2] == BELIEVED


@pytest.mark.parametrize("name", TWINS)
def test_twins_with_underscores_are_left_behind(name: bytes) -> None:
    assert read_field(name)[2] == LEFT_BEHIND


@given(st.binary(min_size=1, max_size=80))
def test_remembering_changes_nothing(name: bytes) -> None:
    assert remembered_field(name) == read_field(name) == read_field(name.swapcase())
