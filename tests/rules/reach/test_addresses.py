"""Addresses of upstreams: one reading, or none."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.errors import InvalidInput
from taskgate.reach.addresses import Address, read_base_url, read_url


@pytest.mark.parametrize(
    ("text", "canonical", "host", "port"),
    [
        ("http://a.example", "http://a.example", "a.example", 80),
        ("HTTPS://A.Example:443/", "https://a.example", "a.example", 443),
        ("https://a.example:8443/v1/", "https://a.example:8443/v1", "a.example", 8443),
        ("http://localhost.:8082", "http://localhost:8082", "localhost", 8082),
        ("http://[::1]:8082/x", "http://[::1]:8082/x", "::1", 8082),
        ("http://[0:0::0:1]", "http://[::1]", "::1", 80),
        ("http://127.0.0.1:1/%41", "http://127.0.0.1:1/%41", "127.0.0.1", 1),
        ("http://2852039166/", "http://2852039166", "2852039166", 80),
        ("http://0xA9FEA9FE", "http://0xa9fea9fe", "0xa9fea9fe", 80),
        ("http://my_service:9/", "http://my_service:9", "my_service", 9),
    ],
)
def test_one_canonical_form(text: str, canonical: str, host: str, port: int) -> None:
    address = read_base_url(text)
    assert (address.text, address.host, address.port) == (canonical, host, port)
    assert read_base_url(address.text) == address


@pytest.mark.parametrize(
    "text",
    [
        "", "a.example", "//a.example", "http:a.example", "http:/a.example", "http:///x", "http://", "http://:80",
        "file:///etc/passwd", "gopher://a.example/", "unix:/run/x.sock", "ws://a.example", "httpſ://a.example",
        "http://u@h#@x/", "http://u:p@a.example", "http://a.example#x", "http://a.example/#x", "http://a.example\\@x",
        "http://a.example:0", "http://a.example:65536", "http://a.example:", "http://a.example:٨٠",
        "http://①②⑦.0.0.1", "http://bücher.example", "http://\u212a.example", "http://a..example", "http://-a.example",
        "http://.", "http://..", "http://a example", "http://a.example/ x", "http://a.example/x\r\nHost: y",
        "http://a.example/\x00", "http://[::1", "http://[::1%25lo]", "http://[fe80::1%eth0]", "http://[127.0.0.1]",
        "http://[v1.x]", "http://a.example/../x", "http://a.example/%2e%2E/x", "http://a.example/.", "http://a/%zz",
        "http://a.example?x=1", " http://a.example", "http://a.example\n", "http://" + "a" * 64 + ".example",
        "http://a.example/" + "x" * 2048, "http://a%2eexample",
    ],
)  # fmt: skip
def test_what_two_readers_could_take_differently_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_base_url(text)
    assert (caught.value.code, caught.value.extra) == ("BAD_ADDRESS", {"path": "/base_url"})


def test_a_document_may_have_a_query() -> None:
    address = read_url("https://a.example/openapi.json?v=3", path="/openapi_url")
    assert address.target == "/openapi.json?v=3"
    with pytest.raises(InvalidInput, match="openapi_url must"):
        read_url("https://a.example/#x", path="/openapi_url")


texts = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.sampled_from(["http://", "HTTPS://", "a.b", "127.0.0.1", "[::1]", ":", "80", "/", "@", "#", "?", "\\", "%2e",
                         "..", "①", "\t", "\n", "x"]), max_size=8).map("".join),
)  # fmt: skip


@given(texts)
def test_whatever_is_read_others_read_alike(text: str) -> None:
    """Python's own splitter finds the same scheme, host, port and path, and there is never a user."""
    with suppress(InvalidInput):
        address = read_url(text, path="/x")
        split = urlsplit(address.text)
        assert (split.scheme, split.username, split.fragment) == (address.scheme, None, "")
        assert (split.hostname, split.port or {"http": 80, "https": 443}[split.scheme]) == (address.host, address.port)
        assert split.path + ("?" + split.query if "?" in address.target else "") == address.target
        assert read_url(address.text, path="/x") == address


def test_the_host_header_has_brackets_and_only_unusual_ports() -> None:
    assert Address(scheme="http", host="::1", port=80).authority == "[::1]"
    assert Address(scheme="https", host="a.example", port=80).authority == "a.example:80"
