"""What of a call may be kept: every credential becomes stars, every body is cut (S38, INV-A6). Pure.

Credentials are known by name (headers, query parameters, members of JSON and of forms) and by value: what the caller
presented, and what the operator named in the settings, is found wherever an upstream repeats it. A body is decoded
first; one in a coding that is not understood is not kept, because nobody can look into it.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from urllib.parse import unquote_plus

from taskgate.proxy.ports import Pair
from taskgate.routes.records import Passage
from taskgate.secret import STARS, masked

MARGIN_BYTES = 1024  # a secret that begins before the cut is seen whole
SHORTEST = 8
LONGEST_NAME = 256  # a longer name is not looked into: it names a secret
_WORDS = "passw|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|ticket|signature|credential|jwt"
_NAME = rf"[\w.-]*(?:{_WORDS})[\w.-]*"
_SECRET = re.compile(rf"(?i){_NAME}|auth|authorization|key|sig|session[\w.-]*")
_HEADER = re.compile(rf"(?i){_NAME}|.*auth.*|.*cookie.*|.*-key|x-.*session.*|sec-websocket-protocol")
_PUBLIC = frozenset({"www-authenticate", "proxy-authenticate", "idempotency-key", "sec-websocket-key"})
_MEMBER = re.compile(r'(?s)"([\w.-]{1,64})"\s*:\s*"(?:[^"\\]|\\.)*(?:"|\\?\Z)')
_FIELD = re.compile(r"(?<![\w.-])([\w.-]{1,64})=[^&\s\"'<>]+")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


class Masker:
    """Masks what belongs to one call. `known` are secrets by value."""

    __slots__ = ("_values",)

    def __init__(self, known: Iterable[str], headers: Sequence[Pair]) -> None:
        values = {text for text in known if len(text) >= SHORTEST}
        for name, value in headers:
            if is_secret_header(name.decode("latin-1")):
                text = value.decode("latin-1")
                values.update(part for part in re.split(r"[\s;,=]+", text) if len(part) >= SHORTEST)
                if len(text) >= SHORTEST:
                    values.add(text)
        self._values = sorted(values, key=len, reverse=True)

    def text(self, text: str) -> str:
        """The text without any secret that is known by value."""
        for value in self._values:
            text = text.replace(value, STARS)
        return text

    def headers(self, pairs: Sequence[Pair]) -> tuple[tuple[str, str], ...]:
        """Headers as they may be kept."""
        kept = []
        for name_, value_ in pairs:
            name, value = name_.decode("latin-1").lower(), value_.decode("latin-1")
            kept.append((name, STARS if is_secret_header(name) else self.text(masked(value))))
        return tuple(kept)

    def target(self, target: bytes) -> str:
        """Path and query as they may be kept."""
        path, mark, query = target.decode("latin-1").partition("?")
        parts = []
        for part in query.split("&"):
            name, equals, _ = part.partition("=")
            parts.append(name + equals + STARS if equals and _names_secret(name) else part)
        return self.text(path + mark + "&".join(parts))

    def passage(self, pairs: Sequence[Pair], body: bytes, *, body_bytes: int, limit: int) -> Passage:
        """Headers and the beginning of a body as they may be kept."""
        headers = self.headers(pairs)
        coding = next((value for name, value in headers if name == "content-encoding"), "identity").lower()
        content = _decoded(body, coding, limit=limit + MARGIN_BYTES)
        if content is None or not content:
            return Passage(headers=headers, body_bytes=body_bytes)
        text = _text(content, is_cut=body_bytes > len(body))
        if text is None:
            kept = base64.b64encode(content[:limit]).decode("ascii")
            if any(value.encode("latin-1", "ignore") in content for value in self._values):
                kept = ""
            return Passage(headers=headers, body=kept, encoding="base64", body_bytes=body_bytes)
        return Passage(headers=headers, body=_without_named(self.text(text))[:limit], body_bytes=body_bytes)


def is_secret_header(name: str) -> bool:
    """Whether the value of this header may be a credential."""
    return len(name) > LONGEST_NAME or (name.lower() not in _PUBLIC and _HEADER.fullmatch(name) is not None)


def _names_secret(raw: str) -> bool:
    """The same for the name of a query parameter as it was sent, however long it is."""
    return len(raw) > LONGEST_NAME or _is_secret(unquote_plus(raw))


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    """Whether a parameter or member of this name may be a credential."""
    return _SECRET.fullmatch(name) is not None


def _without_named(text: str) -> str:
    """The text without members and fields that are named like secrets."""
    text = _MEMBER.sub(lambda found: f'"{found[1]}":"{STARS}"' if _is_secret(found[1]) else found[0], text)
    if "=" in text:
        text = _FIELD.sub(lambda found: f"{found[1]}={STARS}" if _is_secret(found[1]) else found[0], text)
    lowered = text.lower()
    return _BEARER.sub(rf"\1 {STARS}", text) if "bearer" in lowered or "basic" in lowered else text


def _decoded(body: bytes, coding: str, *, limit: int) -> bytes | None:
    """The body without its content coding, at most `limit` bytes; None where that cannot be had."""
    if coding in ("", "identity"):
        return body[:limit]
    window = _WINDOWS.get(coding)
    if window is None:
        return None
    try:
        return zlib.decompressobj(window).decompress(body, limit)
    except zlib.error:
        return None


def _text(content: bytes, *, is_cut: bool) -> str | None:
    """The content as text, None for what is not UTF-8; a character that was cut at the end is dropped."""
    for short in range(4 if is_cut else 1):
        try:
            return content[: len(content) - short].decode("utf-8")
        except UnicodeDecodeError:
            continue
    return None
