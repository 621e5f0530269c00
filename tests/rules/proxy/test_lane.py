"""What of a caller's path an upstream is asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.proxy.head import Draft, Peer, check_head
from taskgate.proxy.lane import Target
from taskgate.proxy.ports import Head
from taskgate.routes.table import RouteTable


def head_of(target: bytes) -> Head:
    draft = Draft()
    draft.on_url(target)
    draft.on_header(b"host", b"a")
    head = check_head(draft, b"GET", version="1.1", keep_alive=True, is_upgrade=False, peer=Peer("127.0.0.1"))
    assert isinstance(head, Head)
    return head


def written(public: str, upstream: str, *, asked: bytes, base_url: str = "http://h") -> bytes:
    head = head_of(asked)
    found = RouteTable([("GET", public, True)]).find("GET", head.path)
    assert found is not None
    return Target(public, upstream, base_url=base_url).write(head)


@pytest.mark.parametrize(
    ("public", "upstream", "asked", "wanted"),
    [
        ("/a/b", "", b"/a/b?x=%2F", b"/a/b?x=%2F"),
        ("/a/{b}", "/a/{b}", b"/a/%41%20?", b"/a/%41%20?"),
        ("/p/add", "/add", b"/p/add?x=1&y", b"/add?x=1&y"),
        ("/p/{a}/{b}", "/{b}/x/{a}", b"/p/1/2", b"/2/x/1"),
        ("/p/{rest:path}", "/{rest:path}", b"/p/a/b%20c/d", b"/a/b%20c/d"),
        ("/p/{rest:path}", "/{rest:path}", b"/%70/%41/%c3%a4/?a=/b", b"/%41/%c3%a4/?a=/b"),
        ("/p/{a}/x/{rest:path}", "/{a}/{rest:path}", b"/p/%2B/x/%41/b?c", b"/%2B/%41/b?c"),
        ("/p/{a}", "/q/{a}", b"/p/%41%2b", b"/q/%41%2b"),
        ("/p/{a}", "/q/{a}", b"/p/%3F%23%25", b"/q/%3F%23%25"),
        ("/p/{a}", "/q/{a}", "/p/ä".encode().replace("ä".encode(), b"%C3%A4"), b"/q/%C3%A4"),
    ],
)
def test_targets(public: str, upstream: str, asked: bytes, wanted: bytes) -> None:
    assert written(public, upstream, asked=asked) == wanted


def test_the_base_urls_own_path_comes_first() -> None:
    assert written("/a", "", asked=b"/a?b", base_url="http://h/api/") == b"/api/a?b"
    assert written("/a", "/b", asked=b"/a", base_url="http://h/api") == b"/api/b"


@given(
    text=st.text(
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs", "Cn", "Co", "Cf")), min_size=1
    )
)
def test_a_filled_in_variable_is_one_segment_and_ends_no_line(text: str) -> None:
    from urllib.parse import quote, unquote

    if {"/", "\\", ";"} & set(text) or text in (".", "..") or text.startswith("."):
        return
    target = written("/p/{a}", "/q/{a}/r", asked=b"/p/" + quote(text, safe="").encode())
    assert target.count(b"/") == 3
    assert unquote(target.decode("ascii")) == f"/q/{text}/r"
    assert not set(target) & set(b" \r\n?#")
