"""Who is believed about who calls."""

from __future__ import annotations

import pytest

from taskgate.errors import InvalidInput
from taskgate.proxy.trust import Trust

PROXIES = Trust(("10.0.0.0/8", "2001:db8::/32"))


@pytest.mark.parametrize(
    ("told", "caller"),
    [
        ({}, "10.0.0.1"),
        ({b"x-forwarded-for": b"203.0.113.7"}, "203.0.113.7"),
        ({b"x-forwarded-for": b"1.1.1.1, 203.0.113.7"}, "203.0.113.7"),
        ({b"x-forwarded-for": b"203.0.113.7, 10.1.1.1"}, "203.0.113.7"),
        ({b"x-forwarded-for": b"1.1.1.1, 203.0.113.7,10.2.2.2 , 10.1.1.1"}, "203.0.113.7"),
        ({b"x-forwarded-for": b"203.0.113.7:4711"}, "203.0.113.7"),
        ({b"x-forwarded-for": b"[2001:db9::1]:4711"}, "2001:db9::1"),
        ({b"x-forwarded-for": b"rubbish, 10.1.1.1"}, "10.1.1.1"),
        ({b"x-forwarded-for": b"203.0.113.7, rubbish"}, "10.0.0.1"),
        ({b"forwarded": b'for=1.1.1.1, for="[2001:db9::1]:4711";proto=https'}, "2001:db9::1"),
        ({b"forwarded": b"proto=https;for=203.0.113.9;by=10.0.0.1"}, "203.0.113.9"),
    ],
)
def test_the_caller_is_the_last_who_is_no_proxy(told: dict[bytes, bytes], caller: str) -> None:
    assert PROXIES.caller(told, "10.0.0.1") == caller


def test_networks() -> None:
    assert [PROXIES.believes(address) for address in ("10.1.2.3", "::ffff:10.1.2.3", "2001:db8::5")] == [True] * 3
    assert [PROXIES.believes(address) for address in ("11.1.2.3", "::1", "", "unix")] == [False] * 4
    assert not Trust().believes("127.0.0.1")
    with pytest.raises(InvalidInput):
        Trust(("10.0.0.0/33",))


def test_the_scheme() -> None:
    assert PROXIES.scheme({b"x-forwarded-proto": b"http, HTTPS"}, "http") == "https"
    assert PROXIES.scheme({b"x-forwarded-proto": b"gopher"}, "http") == "http"
    assert PROXIES.scheme({}, "https") == "https"
