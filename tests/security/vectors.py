"""Raw requests of S12 and S13, each with what must become of it. Values only.

`@PATH`, `@HOST` and `@AUTH` are filled in by the rig: a path that the gateway forwards, its authority, and header lines
with a credential and the vector's name. `BEHIND` is a second request where a confused parser would find one: it must
never be seen upstream.
"""

from __future__ import annotations

from dataclasses import dataclass

BEHIND = b"GET @PATH/behind HTTP/1.1\r\nHost: @HOST\r\n@AUTH\r\n"
REFUSED = frozenset({400})


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One request. `wanted`: statuses of the first answer that are right. `seen`: most requests that may reach the
    upstream. `closes`: the connection is closed even behind a good answer. `answers`: most final answers."""

    name: str
    sent: bytes
    wanted: frozenset[int] = REFUSED
    seen: int = 0
    closes: bool = False
    answers: int = 1


def refused(name: str, sent: bytes, *also: int, seen: int = 0) -> Vector:
    """400 (or one of `also`) and close."""
    return Vector(name=name, sent=sent, wanted=REFUSED | set(also), seen=seen)


def passes(name: str, sent: bytes, *also: int, closes: bool = False, answers: int = 1) -> Vector:
    """Forwarded as exactly one request."""
    return Vector(name=name, sent=sent, wanted=frozenset({200, *also}), seen=1, closes=closes, answers=answers)


def post(*lines: bytes, body: bytes = b"", version: bytes = b"HTTP/1.1") -> bytes:
    framing = b"".join(line + b"\r\n" for line in lines)
    return b"POST @PATH " + version + b"\r\nHost: @HOST\r\n@AUTH" + framing + b"\r\n" + body


def get(*lines: bytes, body: bytes = b"") -> bytes:
    return b"GET @PATH HTTP/1.1\r\nHost: @HOST\r\n@AUTH" + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked", body=body)


CL5, TE = b"Content-Length: 5", b"Transfer-Encoding: chunked"
END = b"0\r\n\r\n"

LENGTHS = [
    refused("cl then te", post(CL5, TE, body=END + BEHIND)),
    refused("te then cl", post(TE, CL5, body=END + BEHIND)),
    refused("te and cl 0", post(b"Content-Length: 0", TE, body=END + BEHIND)),
    refused("two lengths", post(CL5, b"Content-Length: 6", body=b"hello" + BEHIND)),
    refused("two equal lengths", post(CL5, CL5, body=b"hello" + BEHIND)),
    *(
        refused(f"length {text!r}", post(b"Content-Length: " + text, body=b"hello" + BEHIND))
        for text in (b"5, 5", b"+5", b"0x5", b"-1", b"5 5", b"", b"5;", b"1e1", b"5,", b"\x0b5", b"0 5", b"5.0", b"'5'")
    ),
    refused("length of 30 digits", post(b"Content-Length: " + b"9" * 30, body=b"hello"), 413),
    refused("length in a folded line", post(b"Content-Length:\r\n 5", body=b"hello" + BEHIND)),
    refused("length with a space before the colon", post(b"Content-Length : 5", body=b"hello" + BEHIND)),
]

CODINGS = [
    *(
        refused(f"coding {text!r}", post(b"Transfer-Encoding: " + text, body=END + BEHIND), 501)
        for text in (
            b"xchunked", b"chunked, identity", b"identity", b"gzip", b"gzip, chunked", b"chunked, chunked",
            b"\x0bchunked", b'"chunked"', b"chunked;q=1", b"chunked\x00", b"", b"cow", b"chunked,", b"\x0cchunked",
        )
    ),
    refused("two codings", post(TE, TE, body=END + BEHIND)),
    refused("a second coding", post(TE, b"Transfer-Encoding: identity", body=END + BEHIND), 501),
    refused("space before the colon", post(b"Transfer-Encoding : chunked", body=END + BEHIND)),
    refused("tab before the colon", post(b"Transfer-Encoding\t: chunked", body=END + BEHIND)),
    refused("coding in a folded line", post(b"Transfer-Encoding:\r\n chunked", body=END + BEHIND)),
    refused("coding on HTTP/1.0", post(TE, body=END + BEHIND, version=b"HTTP/1.0")),
]  # fmt: skip

LINES = [
    refused("folded header", get(b"X-A: 1\r\n  Transfer-Encoding: chunked")),
    refused("folded first line", b"GET @PATH HTTP/1.1\r\n Host: @HOST\r\n@AUTH\r\n"),
    refused("bare LF behind the request line", b"GET @PATH HTTP/1.1\nHost: @HOST\r\n@AUTH\r\n"),
    refused("bare LF behind a header", b"GET @PATH HTTP/1.1\r\nHost: @HOST\nX-A: 1\r\n@AUTH\r\n"),
    refused("bare LF at the end", b"GET @PATH HTTP/1.1\r\nHost: @HOST\r\n@AUTH\n"),
    refused("bare CR in a value", get(b"X-A: a\rX-B: b")),
    refused("NUL in a value", get(b"X-A: a\x00b")),
    refused("control character in a value", get(b"X-A: a\x01b")),
    refused("space in a name", get(b"X A: 1")),
    refused("empty name", get(b": 1")),
    refused("header without a colon", get(b"X-A")),
    refused("control character in a name", get(b"X\x01A: 1")),
    refused("name of other letters", get("X-Ä: 1".encode())),
    refused("tabs in the request line", b"GET\t@PATH\tHTTP/1.1\r\nHost: @HOST\r\n@AUTH\r\n"),
    refused("no version", b"GET @PATH\r\nHost: @HOST\r\n@AUTH\r\n"),
    refused("version 1.2", b"GET @PATH HTTP/1.2\r\nHost: @HOST\r\n@AUTH\r\n", 505),
    refused("version 2.0", b"GET @PATH HTTP/2.0\r\nHost: @HOST\r\n@AUTH\r\n", 505),
    refused("version in small letters", b"GET @PATH http/1.1\r\nHost: @HOST\r\n@AUTH\r\n", 505),
    refused("version with two digits", b"GET @PATH HTTP/1.10\r\nHost: @HOST\r\n@AUTH\r\n", 505),
    refused("space in the target", b"GET @PATH/a b HTTP/1.1\r\nHost: @HOST\r\n@AUTH\r\n"),
    refused("fragment in the target", b"GET @PATH#a HTTP/1.1\r\nHost: @HOST\r\n@AUTH\r\n"),
    refused("NUL in the target", b"GET @PATH\x00 HTTP/1.1\r\nHost: @HOST\r\n@AUTH\r\n"),
    refused("other letters in the target", "GET @PATH/ä HTTP/1.1\r\nHost: @HOST\r\n@AUTH\r\n".encode()),
    refused("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 405, 505),
    refused("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32)),
    refused("CONNECT", b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n@AUTH\r\n", 405, 501),
]

CHUNKS = [
    *(
        refused(f"chunk {text!r}", chunked(text + END + BEHIND), seen=1)
        for text in (
            b"2;\nxx\r\n", b"2 \r\nxx\r\n", b"2\nxx\n", b"2\r\nxxx\r\n", b"2\r\nxx", b"0x2\r\nxx\r\n", b"-2\r\nxx\r\n",
            b"+2\r\nxx\r\n", b"\r\nxx\r\n", b"g\r\nxx\r\n", b"2,2\r\nxx\r\n", b"2;a=\rb\r\nxx\r\n", b"2\r\r\nxx\r\n",
            b" 2\r\nxx\r\n", b"fffffffffffffffff2\r\nxx\r\n", b"2\r\nxx\n",
        )
    ),
    refused("trailer with a length", chunked(b"2\r\nxx\r\n0\r\nContent-Length: 50\r\n\r\n"), 200, seen=1),
    refused("trailer with a coding", chunked(b"2\r\nxx\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"), 200, seen=1),
    refused("trailer without a colon", chunked(b"2\r\nxx\r\n0\r\nrubbish\r\n\r\n"), seen=1),
    refused("trailer with a bare LF", chunked(b"2\r\nxx\r\n0\r\nX-A: 1\n\r\n" + BEHIND), seen=1),
]  # fmt: skip

UPGRADES = [
    refused("upgrade h2c with a body", post(b"Connection: Upgrade", b"Upgrade: h2c", CL5, body=b"hello" + BEHIND)),
    refused(
        "upgrade websocket with a body",
        post(b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13", CL5, body=b"hello" + BEHIND),
    ),
    refused("upgrade with a chunked body", post(b"Connection: Upgrade", b"Upgrade: h2c", TE, body=END + BEHIND)),
    refused("expects something else", post(b"Expect: 200-maybe", CL5, body=b"hello"), 417),
]

GOOD = [
    passes("plain GET", get()),
    passes("plain POST", post(CL5, body=b"hello")),
    passes("plain chunks", chunked(b"2\r\nxx\r\n" + END)),
    passes("coding in capitals", post(b"Transfer-Encoding: CHUNKED", body=b"2\r\nxx\r\n" + END), 400),
    passes("chunk extension", chunked(b'2;a="b"\r\nxx\r\n' + END), 400),
    passes(
        "a request as the body of GET",
        get(b"Content-Length: %d" % 33, body=b"GET /behind HTTP/1.1\r\nHost: x\r\n\r\n"),
        400,
    ),
    passes(
        "a request as the body of POST", post(b"Content-Length: 33", body=b"GET /behind HTTP/1.1\r\nHost: x\r\n\r\n")
    ),
    passes("twins with underscores", get(b"Content_Length: 5", b"transfer_encoding: chunked"), 400),
    passes("Connection names the framing", post(b"Connection: Content-Length", CL5, body=b"hello"), 400),
    passes("Connection names the coding", post(b"Connection: Transfer-Encoding", TE, body=b"2\r\nxx\r\n" + END), 400),
    passes("upgrade h2c", get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")),
    passes("100-continue with an early body", post(b"Expect: 100-continue", CL5, body=b"hello")),
    passes("more behind Connection: close", get(b"Connection: close") + BEHIND, closes=True),
    passes("two spaces in the request line", b"GET  @PATH HTTP/1.1\r\nHost: @HOST\r\n@AUTH\r\n", 400),
    passes("empty lines before", b"\r\n\r\n" + get(), 400),
    passes("version 1.0", b"GET @PATH HTTP/1.0\r\nHost: @HOST\r\n@AUTH\r\n", closes=True),
]

SMUGGLING = [*LENGTHS, *CODINGS, *LINES, *CHUNKS, *UPGRADES, *GOOD]


def with_hosts(*hosts: bytes) -> bytes:
    lines = b"".join(b"Host: " + host + b"\r\n" for host in hosts)
    return b"GET @PATH HTTP/1.1\r\n" + lines + b"@AUTH\r\n"


HOSTS = [
    refused("no host", with_hosts()),
    refused("two hosts", with_hosts(b"@HOST", b"evil.example")),
    refused("two equal hosts", with_hosts(b"@HOST", b"@HOST")),
    *(
        refused(f"host {text!r}", with_hosts(text))
        for text in (
            b"a:b@c", b"user@a.example", b"a.example/path", b"a.example?x", b"a.example#x", b"a b", b"a,b",
            b"a.example:99999999", b"a.example:x", b"a.example:-1", b"[::1", b"::1]", b"[zz]", b"a\\b", b"a\tb",
            b"<script>", b'a"b', b"a%00b", b"http://evil.example", b"a;b", b"{a}", b"a|b", b"a^b", "ä.example".encode(),
        )
    ),
    refused("absolute target", b"GET http://evil.example@PATH HTTP/1.1\r\nHost: @HOST\r\n@AUTH\r\n"),
    refused("absolute target of this host", b"GET http://@HOST@PATH HTTP/1.1\r\nHost: @HOST\r\n@AUTH\r\n"),
    refused("absolute https target", b"GET https://evil.example/ HTTP/1.1\r\nHost: @HOST\r\n@AUTH\r\n"),
    refused("target without a slash", b"GET evil.example/x HTTP/1.1\r\nHost: @HOST\r\n@AUTH\r\n"),
    refused("target at userinfo", b"GET @evil.example/ HTTP/1.1\r\nHost: @HOST\r\n@AUTH\r\n"),
    refused("host with a space before the colon", b"GET @PATH HTTP/1.1\r\nHost : @HOST\r\n@AUTH\r\n"),
    refused("host in a folded line", b"GET @PATH HTTP/1.1\r\nHost:\r\n @HOST\r\n@AUTH\r\n"),
    passes("host with a port", with_hosts(b"api.example:8443")),
    passes("host of six", with_hosts(b"[::1]:80")),
    passes("host in capitals", with_hosts(b"API.EXAMPLE")),
]  # fmt: skip
