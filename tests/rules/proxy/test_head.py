"""A head becomes one Head or one refusal: what is forwarded, what is kept aside, what is refused (S12-S16)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from taskgate.errors import CallerError, HeadTooLarge, Malformed
from taskgate.proxy.head import Draft, Peer, check_head
from taskgate.proxy.ports import Head
from taskgate.proxy.trust import Trust

HOST = (b"Host", b"api.example")


def checked(
    *pairs: tuple[bytes, bytes],
    method: bytes = b"GET",
    target: bytes = b"/a?q=1",
    version: str = "1.1",
    is_upgrade: bool = False,
    peer: Peer | None = None,
) -> Head | CallerError:
    """What becomes of a head with these headers."""
    peer = peer or Peer("192.0.2.1")
    draft = Draft(believes=peer.is_trusted)
    for piece in (target[:2], target[2:]):
        draft.on_url(piece)
    for name, value in pairs:
        draft.on_header(name, value)
    return check_head(
        draft, method, version=version, keep_alive=True, is_upgrade=is_upgrade, peer=peer, max_headers=20
    )  # fmt: skip


def head_of(*pairs: tuple[bytes, bytes], **how: object) -> Head:
    head = checked(HOST, *pairs, **how)  # type: ignore[arg-type]
    assert isinstance(head, Head), head
    return head


def test_a_plain_request() -> None:
    head = head_of((b"Accept", b"*/* \t"), (b"X-API-Key", b"tg_1"), target=b"/caf%C3%A9?a=%2F;b")
    assert (head.method, head.target, head.path) == ("GET", b"/caf%C3%A9?a=%2F;b", "/café")
    assert (head.query, head.version, head.host, head.body_length) == (b"a=%2F;b", "1.1", b"api.example", 0)
    assert head.lines == b"accept: */*\r\n"
    assert head.special == {b"x-api-key": b"tg_1"}
    assert head.pairs == [(b"host", b"api.example"), (b"accept", b"*/*"), (b"x-api-key", b"tg_1")]
    assert (head.caller, head.scheme, head.upgrade, head.expects_continue) == ("192.0.2.1", "http", "", False)


@pytest.mark.parametrize(
    ("pairs", "length"),
    [
        ([], 0),
        ([(b"Content-Length", b"0")], 0),
        ([(b"Content-Length", b"12")], 12),
        ([(b"Transfer-Encoding", b"chunked")], None),
        ([(b"Transfer-Encoding", b"Chunked \t")], None),
    ],
)
def test_framing(pairs: Sequence[tuple[bytes, bytes]], length: int | None) -> None:
    head = head_of(*pairs, method=b"POST")
    assert head.body_length == length
    assert head.lines == b""
    assert head.special == {}


TE, CL = b"Transfer-Encoding", b"Content-Length"


@pytest.mark.parametrize(
    "pairs",
    [
        [(CL, b"5"), (TE, b"chunked")], [(CL, b"5"), (CL, b"5")], [(CL, b"5, 5")], [(CL, b"+5")], [(CL, b"-1")],
        [(CL, b"0x5")], [(CL, b"")], [(CL, b"9" * 19)], [(CL, "٥".encode())], [(TE, b"xchunked")],
        [(TE, b"chunked, identity")], [(TE, b"gzip, chunked")], [(TE, b"chunked"), (TE, b"chunked")],
        [(TE, b"identity")], [(TE, b"")], [(b"Expect", b"200-maybe")],
        [(b"Expect", b"100-continue"), (b"Expect", b"100-continue")],
        [(b"Upgrade", b"h2c"), (CL, b"5")], [(b"Host", b"api.example")], [(b"Host", b"evil")],
    ],
)  # fmt: skip
def test_ambiguous_heads_are_refused(pairs: Sequence[tuple[bytes, bytes]]) -> None:
    assert isinstance(checked(HOST, *pairs, method=b"POST"), Malformed)


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"TRACE"])
@pytest.mark.parametrize("pair", [(CL, b"5"), (TE, b"chunked")])
def test_these_methods_have_no_body(method: bytes, pair: tuple[bytes, bytes]) -> None:
    """0.CL: a server that reads no body here would take it for the next request."""
    assert isinstance(checked(HOST, pair, method=method), Malformed)
    assert isinstance(checked(HOST, (CL, b"0"), method=method), Head)


def test_versions() -> None:
    assert isinstance(checked(version="1.0"), Head)
    assert isinstance(checked(HOST, (TE, b"chunked"), method=b"POST", version="1.0"), Malformed)
    assert isinstance(checked(), Malformed)  # no Host
    for version in ("0.9", "2.0", "1.2", "1.10"):
        assert isinstance(checked(HOST, version=version), Malformed)
    assert head_of((b"Expect", b"100-Continue"), (CL, b"5"), method=b"POST").expects_continue
    assert not head_of((b"Expect", b"100-continue"), (CL, b"5"), method=b"POST", version="1.0").expects_continue


@pytest.mark.parametrize("target", [b"/a/../b", b"http://api.example/", b"*", b"/a?b#c", b"/a%2fb", b""])
def test_doubtful_targets(target: bytes) -> None:
    assert isinstance(checked(HOST, target=target), Malformed)


def test_too_many_headers() -> None:
    assert isinstance(checked(HOST, *[(b"X-A", b"1")] * 20), HeadTooLarge)
    assert isinstance(checked(HOST, *[(b"X-A", b"1")] * 19), Head)


def test_hop_by_hop_headers_stay_here() -> None:
    head = head_of(
        (b"Connection", b"X-Hop, keep-alive, X-Site-Id, Authorization, Via, Content-Length, X-Request-Id"),
        (b"X-Hop", b"1"), (b"X-HOP", b"2"), (b"X-Stays", b"3"), (b"TE", b"trailers"), (b"Keep-Alive", b"timeout=5"),
        (b"Proxy-Connection", b"close"), (b"Proxy-Authorization", b"x"), (b"Trailer", b"X"), (b"Upgrade", b"h2c"),
        (b"HTTP2-Settings", b"x"), (b"Authorization", b"Bearer x"), (b"Via", b"1.1 other"), (b"X-Request-Id", b"r1"),
        (b"X-Site-Id", b"globex"), (CL, b"0"),
    )  # fmt: skip
    assert head.lines == b"x-stays: 3\r\n"
    assert head.special == {b"via": b"1.1 other"}
    assert (b"authorization", b"Bearer x") in head.pairs
    assert head.body_length == 0


@pytest.mark.parametrize("value", [b"close", b"Keep-Alive", b"Upgrade"])
def test_connection_without_names(value: bytes) -> None:
    assert head_of((b"Connection", value), (b"X-A", b"1")).lines == b"x-a: 1\r\n"


SPOOFED = [
    b"X-Site-Id", b"X_Site_Id", b"x-user_id", b"X-App-Id", b"X-Forwarded-User", b"X-Forwarded-For", b"X_Forwarded_For",
    b"X-Real-IP", b"Forwarded", b"X-Forwarded-Proto", b"X-Forwarded-Host", b"X-HTTP-Method-Override", b"X-Original-URL",
    b"X-Internal-Auth", b"X-Scopes", b"X-Principal",
]  # fmt: skip


@pytest.mark.parametrize("name", SPOOFED)
def test_nobody_says_who_he_is(name: bytes) -> None:
    head = head_of((name, b"1.1.1.1"), (b"X-A", b"1"))
    assert head.lines == b"x-a: 1\r\n"
    assert head.special == {}
    assert (head.caller, head.scheme) == ("192.0.2.1", "http")


def test_a_trusted_peer_is_believed() -> None:
    peer = Peer("10.0.0.1", trust=Trust(("10.0.0.0/8",)))
    told = ((b"X-Forwarded-For", b"1.1.1.1"), (b"X-Forwarded-For", b"203.0.113.7"), (b"X-Forwarded-Proto", b"https"))
    head = head_of(*told, (b"X_Forwarded_For", b"6.6.6.6"), (b"X-Forwarded-User", b"root"), peer=peer)
    assert (head.caller, head.scheme) == ("203.0.113.7", "https")
    assert head.special == {b"x-forwarded-for": b"1.1.1.1, 203.0.113.7", b"x-forwarded-proto": b"https"}
    assert head.lines == b""


def test_upgrades() -> None:
    """Only a WebSocket is offered; anything else is an ordinary request without its wish."""
    wish = ((b"Connection", b"keep-alive, Upgrade"), (b"Upgrade", b"WebSocket"), (b"Sec-WebSocket-Key", b"k"))
    head = head_of(*wish, is_upgrade=True)
    assert (head.upgrade, head.lines) == ("websocket", b"sec-websocket-key: k\r\n")
    assert head_of((b"Connection", b"Upgrade"), (b"Upgrade", b"h2c"), is_upgrade=True).upgrade == ""
    assert head_of((b"Upgrade", b"websocket")).upgrade == ""
    assert isinstance(checked(HOST, *wish, method=b"POST", is_upgrade=True), Malformed)
    assert isinstance(checked(HOST, *wish, (CL, b"3"), is_upgrade=True), Malformed)


def test_a_head_belongs_to_its_request() -> None:
    """What comes behind it (trailers, the next head) changes nothing in it."""
    draft, peer = Draft(), Peer("192.0.2.1")
    draft.on_url(b"/a")
    draft.on_header(*HOST)
    head = check_head(draft, b"GET", version="1.1", keep_alive=True, is_upgrade=False, peer=peer)
    assert isinstance(head, Head)
    assert draft.weight() == len(b"/a") + len(b"host: api.example\r\n")
    draft.clear()
    draft.on_header(b"X-Api-Key", b"stolen")
    assert head.special == {}
    assert head.pairs == [(b"host", b"api.example")]
