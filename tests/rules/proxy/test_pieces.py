"""The lines that we write about a caller: nothing in them ends a line, loops are seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.errors import LoopDetected
from taskgate.proxy.pieces import Passing, chunk, identity_lines, plain
from taskgate.proxy.ports import Head


def head_with(scheme: str = "http", host: bytes = b"h:8080", **special: bytes) -> Head:
    named = {name.replace("_", "-").encode(): value for name, value in special.items()}
    return Head("GET", b"/", "/", b"", "1.1", host, [], b"", 0, True, named, "9.9.9.9", scheme)


@given(text=st.text())
def test_a_value_is_visible_ascii(text: str) -> None:
    assert all(0x21 <= byte <= 0x7E for byte in plain(text))


@given(site=st.text(min_size=1), user=st.text(), app=st.text())
def test_identities_cannot_add_lines(site: str, user: str, app: str) -> None:
    lines = identity_lines(site, user_id=user, app_id=app)
    assert lines.count(b"\r\n") == 1 + bool(user) + bool(app)
    assert lines.count(b"\n") == lines.count(b"\r") == lines.count(b"\r\n")


def test_an_address_of_version_6_is_quoted() -> None:
    lines = Passing("gw 1").forwarded(head_with("https", b"a.example"), "2001:db8::1")
    assert b'forwarded: for="[2001:db8::1]";proto=https;by=_gw_201;host="a.example"\r\n' in lines
    assert b"x-forwarded-port: 443\r\n" in lines
    assert b"via: 1.1 gw%201\r\n" in lines


@pytest.mark.parametrize(
    ("via", "loops"),
    [(b"1.1 gw", True), (b"1.0 a, 1.1 gw (x)", True), (b"1.1 gw2", False), (b"gw", False), (b"1.1 a,1.1 gw", True)],
)
def test_loops(via: bytes, loops: bool) -> None:
    passing, head = Passing("gw"), head_with(via=via)
    if loops:
        with pytest.raises(LoopDetected):
            passing.forwarded(head, "::1")
    else:
        assert b"via: %b, 1.1 gw\r\n" % via in passing.forwarded(head, "::1")


def test_a_chain_is_gone_on_with() -> None:
    head = head_with(forwarded=b"for=1.1.1.1", x_forwarded_for=b"1.1.1.1", x_forwarded_host=b"outer")
    lines = Passing("gw").forwarded(head, "10.0.0.1")
    assert b"x-forwarded-for: 1.1.1.1, 10.0.0.1\r\n" in lines
    assert b"forwarded: for=1.1.1.1, for=10.0.0.1;proto=http;by=_gw;host=" in lines
    assert b"x-forwarded-host: outer\r\n" in lines


def test_chunks() -> None:
    assert chunk(b"x" * 17) == b"11\r\n" + b"x" * 17 + b"\r\n"
