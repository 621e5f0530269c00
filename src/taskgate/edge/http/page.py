"""The `/docs` page: Swagger UI from files of our own.

The page itself is open; it asks for the key, keeps it in memory only, and fetches `/openapi.json` with it. No
address outside this gateway is named in it, and its content policy would not let the browser follow one.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files

from taskgate.edge.http.call import Call
from taskgate.edge.http.paths import RawRoute
from taskgate.edge.http.problems import Header

POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
MEDIA = {
    "page.html": ("/docs", b"text/html; charset=utf-8"),
    "page.css": ("/docs/page.css", b"text/css; charset=utf-8"),
    "page.js": ("/docs/page.js", b"text/javascript; charset=utf-8"),
    "swagger-ui.css": ("/docs/swagger-ui.css", b"text/css; charset=utf-8"),
    "swagger-ui-bundle.js": ("/docs/swagger-ui-bundle.js", b"text/javascript; charset=utf-8"),
    "favicon-32x32.png": ("/docs/favicon-32x32.png", b"image/png"),
    "LICENSE": ("/docs/LICENSE", b"text/plain; charset=utf-8"),
}
GUARDS: tuple[Header, ...] = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


class _Asset:
    """One file, read when it is first asked for."""

    def __init__(self, name: str, media: bytes) -> None:
        self._name = name
        self._media = media
        self._body = b""
        self._tag = b""

    async def serve(self, call: Call, _: str) -> None:
        if not self._body:
            self._body = files("taskgate.edge.http").joinpath("assets", self._name).read_bytes()
            self._tag = b'"' + hashlib.sha256(self._body).hexdigest()[:32].encode("ascii") + b'"'
        headers = [(b"etag", self._tag), (b"cache-control", b"no-cache")]
        if call.headers.get(b"if-none-match") == self._tag:
            await call.answer(304, b"", media=self._media, headers=headers, guards=GUARDS)
            return
        await call.answer(200, self._body, media=self._media, headers=headers, guards=GUARDS)


class Page:
    """The page and its assets."""

    def routes(self) -> list[RawRoute]:
        """One route per file."""
        return [RawRoute("GET", path, _Asset(name, media).serve) for name, (path, media) in MEDIA.items()]
