"""Which paths and hosts have one reading (S13, S14)."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.proxy.places import Doubtful, read_host, read_path

GOOD = {
    b"/": "/", b"/a/b": "/a/b", b"/a/": "/a/", b"/a%20b": "/a b", b"/%61": "/a", b"/caf%C3%A9": "/café",
    b"/a.b/.hidden/...": "/a.b/.hidden/...", b"/a:b@c!$&'()*+,=~_-": "/a:b@c!$&'()*+,=~_-", b"/%2525": "/%25",
    b"/{a}|[b]": "/{a}|[b]",
}  # fmt: skip
DOUBTFUL = [
    b"", b"*", b"a", b"http://evil/", b"//evil/", b"//", b"/a//b", b"/a/..%2f..%2fadmin", b"/a/..%2F..%2Fadmin",
    b"/../admin", b"/a/../b", b"/a/..", b"/.", b"/./a", b"/%2e/", b"/%2E%2e/admin", b"/.%2e/x", b"/a/%2e%2E",
    b"/a;x=1", b"/a;/../b", b"/..;/admin", b"/%c0%af", b"/%c0%ae%c0%ae/", b"/%ff", b"/%ed%a0%80", b"/%", b"/%2",
    b"/%zz", b"/%5cadmin", b"/a%5Cb", b"/a\\b", b"/%00", b"/a%00b", b"/%0d%0aSet-Cookie:x", b"/%7f", b"/%09", b"/a b",
    b"/a#b", b"/a?b", "/ä".encode(), b"/\x00", b"/%e2%80%ae",
]  # fmt: skip


@pytest.mark.parametrize("raw", GOOD)
def test_good_paths_are_decoded_once(raw: bytes) -> None:
    assert read_path(raw) == GOOD[raw]


@pytest.mark.parametrize("raw", DOUBTFUL)
def test_doubtful_paths_are_refused(raw: bytes) -> None:
    with pytest.raises(Doubtful):
        read_path(raw)


@given(st.text(alphabet="aA/.%25eEfFcC0;\\\x00é ?#", max_size=24))
def test_a_path_that_passes_is_what_every_server_reads(text: str) -> None:
    raw = ("/" + text).encode()
    try:
        path = read_path(raw)
    except Doubtful:
        return
    assert path == unquote(raw.decode(), errors="strict")
    assert posixpath.normpath(path) == (path.rstrip("/") or "/")
    assert re.search(r"[\\\x00-\x1f;]", path) is None


@given(st.lists(st.text(min_size=1, max_size=8).filter(lambda s: s not in (".", "..")), min_size=1, max_size=5))
def test_ordinary_segments_always_pass(segments: list[str]) -> None:
    plain = [segment for segment in segments if segment.isprintable() and not set(segment) & set("/\\")]
    raw = ("/" + "/".join(quote(segment, safe="") for segment in plain)).encode() if plain else b"/x"
    assert read_path(raw) == ("/" + "/".join(plain) if plain else "/x")


@pytest.mark.parametrize("raw", [b"a", b"A.example", b"a_b:80", b"127.0.0.1:8080", b"[::1]", b"[2001:db8::1]:443"])
def test_good_hosts(raw: bytes) -> None:
    assert read_host(raw) == raw.decode().lower()


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"a:b@c", b"a@b", b"a/b", b"a?b", b"a#b", b"a b", b"a,b", b"a, a", b"a:", b"a:x", b"a:123456", b"a:1:2",
        b"[::1", b"::1", b"[x]", b"a\\b", b"a%00", b"<a>", "ä".encode(), b"a\r\nb", b"a" * 254,
    ],
)  # fmt: skip
def test_doubtful_hosts(raw: bytes) -> None:
    with pytest.raises(Doubtful):
        read_host(raw)
