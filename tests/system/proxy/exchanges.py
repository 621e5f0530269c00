"""Exchanges that any correct proxy must carry alike: a request as a caller writes it, and the upstream's raw answer.

Each is one case of the differential tests. Where two correct proxies may differ stands in `differences.py`.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
MIB = bytes(range(256)) * 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """`suffix` follows the case's own path (a query). `closes`: the upstream ends its answer by closing."""

    name: str
    method: str = "GET"
    suffix: str = ""
    lines: tuple[bytes, ...] = ()
    body: bytes = b""
    answer: bytes = PLAIN
    version: bytes = b"HTTP/1.1"
    closes: bool = False

    def sent(self, path: str, *, credential: bytes) -> bytes:
        """The request's bytes below this path."""
        line = f"{self.method} {path}/{self.name}{self.suffix} ".encode("latin-1") + self.version + b"\r\n"
        rest = b"".join(one + b"\r\n" for one in self.lines)
        return line + b"Host: api.example\r\n" + credential + rest + b"\r\n" + self.body


def answered(status: bytes, *lines: bytes, body: bytes = b"", framed: bool = True) -> bytes:
    length = (b"Content-Length: %d" % len(body),) if framed else ()
    return b"HTTP/1.1 " + status + b"\r\n" + b"".join(line + b"\r\n" for line in (*lines, *length)) + b"\r\n" + body


def in_chunks(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


METHODS = [
    Exchange(name=f"method-{method.lower()}", method=method)
    for method in ("GET", "DELETE", "OPTIONS", "POST", "PUT", "PATCH")
]
TARGETS = [
    Exchange(name=f"target-{number}", suffix=suffix)
    for number, suffix in enumerate(
        ("?a=1&b=2", "?", "?x=1&x=2&x=", "?q=%20+%2F%C3%A4%00", "?" + "k=v&" * 800, "?a=b?c=d", "?q=a/../b", "?;&=")
    )
]
HEADERS = [
    Exchange(name="header-repeated", lines=(b"X-A: 1", b"X-B: 2", b"X-A: 3")),
    Exchange(name="header-empty", lines=(b"X-Empty:", b"X-Blank: \t ")),
    Exchange(name="header-long", lines=(b"X-Long: " + b"x" * 7000,)),
    Exchange(name="header-other-letters", lines=(b"X-Text: caf\xc3\xa9 \xe4",)),
    Exchange(name="header-spaces", lines=(b"X-Spaces: \t  a  b \t",)),
    Exchange(name="header-cookies", lines=(b"Cookie: a=1; b=2", b"Accept: */*", b"Accept-Encoding: gzip, br;q=0.5")),
    Exchange(name="header-conditions", lines=(b'If-None-Match: "a", W/"b"', b"If-Modified-Since: x")),
    Exchange(name="header-signs", lines=(b'X-!#$%&\'*+.^`|~: "quoted\\" text"',)),
    Exchange(name="header-agent", lines=(b"User-Agent: curl/8", b"Referer: http://x/?a#b", b"Origin: null")),
    Exchange(name="header-hops", lines=(b"Connection: X-Hop, keep-alive", b"X-Hop: 1", b"Keep-Alive: 5", b"X-Kept: 1")),
]
BODIES = [
    Exchange(name="body-none", method="POST", lines=(b"Content-Length: 0",)),
    Exchange(name="body-length", method="POST", lines=(b"Content-Length: 5",), body=b"hello"),
    Exchange(name="body-binary", method="PUT", lines=(b"Content-Length: 256",), body=bytes(range(256))),
    Exchange(name="body-large", method="POST", lines=(b"Content-Length: %d" % len(MIB),), body=MIB),
    Exchange(
        name="body-chunks",
        method="POST",
        lines=(b"Transfer-Encoding: chunked",),
        body=in_chunks(b"he", b"l" * 5000, b"o"),
    ),
    Exchange(name="body-no-chunks", method="POST", lines=(b"Transfer-Encoding: chunked",), body=b"0\r\n\r\n"),
    Exchange(name="body-of-get", lines=(b"Content-Length: 5",), body=b"hello"),
    Exchange(name="body-of-delete", method="DELETE", lines=(b"Content-Length: 5",), body=b"hello"),
    Exchange(name="body-typed", method="POST", lines=(b"Content-Type: a/b; c=d", b"Content-Length: 2"), body=b"{}"),
]
ANSWERS = [
    Exchange(name="answer-empty", answer=answered(b"200 OK")),
    Exchange(name="answer-large", answer=answered(b"200 OK", body=MIB)),
    Exchange(
        name="answer-chunks",
        answer=answered(b"200 OK", b"Transfer-Encoding: chunked", body=in_chunks(b"a", MIB, b"b"), framed=False),
    ),
    Exchange(
        name="answer-until-close", answer=answered(b"200 OK", b"Connection: close", body=MIB, framed=False), closes=True
    ),
    Exchange(name="answer-1-0", answer=b"HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nold", closes=True),
    Exchange(name="answer-204", answer=b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n"),
    Exchange(name="answer-304", answer=b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n'),
    Exchange(name="answer-304-length", answer=b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 99\r\n\r\n'),
    Exchange(
        name="answer-206",
        lines=(b"Range: bytes=0-1",),
        answer=answered(b"206 Partial Content", b"Content-Range: bytes 0-1/9", body=b"ab"),
    ),
    Exchange(name="answer-head", method="HEAD", answer=answered(b"200 OK", b"X-A: 1", body=b"x" * 1234)),
    Exchange(
        name="answer-head-chunks",
        method="HEAD",
        answer=answered(b"200 OK", b"Transfer-Encoding: chunked", body=b"", framed=False),
    ),
    Exchange(name="answer-relative", answer=answered(b"302 Found", b"Location: ../elsewhere?a=b")),
    Exchange(name="answer-absolute", answer=answered(b"301 Moved", b"Location: https://other.example/x")),
    Exchange(name="answer-cookies", answer=answered(b"200 OK", b"Set-Cookie: a=1; Path=/", b"Set-Cookie: b=2")),
    Exchange(name="answer-404", answer=answered(b"404 Not Found", b"Content-Type: text/html", body=b"<p>no</p>")),
    Exchange(name="answer-418", answer=answered(b"418 I'm a teapot", body=b"tea")),
    Exchange(name="answer-500", answer=answered(b"500 Broken", b"Content-Type: application/json", body=b'{"e":1}')),
    Exchange(name="answer-503", answer=answered(b"503 Later", b"Retry-After: 7", body=b"later")),
    Exchange(name="answer-401", answer=answered(b"401 Who", b'WWW-Authenticate: Basic realm="x", Bearer', body=b"who")),
    Exchange(
        name="answer-zipped", answer=answered(b"200 OK", b"Content-Encoding: gzip", body=gzip.compress(b"zipped"))
    ),
    Exchange(
        name="answer-hops", answer=answered(b"200 OK", b"Connection: X-Hop", b"X-Hop: 1", b"X-Kept: 1", body=b"x")
    ),
    Exchange(name="answer-other-letters", answer=answered(b"200 OK", b"X-Text: caf\xc3\xa9 \xe4", body=b"x")),
    Exchange(name="answer-to-1-0", version=b"HTTP/1.0", answer=answered(b"200 OK", body=b"for an old caller")),
    Exchange(
        name="answer-chunks-to-1-0",
        version=b"HTTP/1.0",
        answer=answered(b"200 OK", b"Transfer-Encoding: chunked", body=in_chunks(b"ab", b"cd"), framed=False),
    ),
]
EXCHANGES = [*METHODS, *TARGETS, *HEADERS, *BODIES, *ANSWERS]
