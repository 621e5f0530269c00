"""Which host and which path a request names: rules that leave one reading only.

A path is decoded once; the decoded text is what is routed and authorised, the raw bytes are what is forwarded, so
nothing may be left in them that another server would decode or normalise to something else: no dot segments, empty
segments, parameters (`;`), backslashes, encoded slashes, broken UTF-8 or control characters.
Paths and hosts that were good are remembered; long ones are read each time.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

REMEMBERED_LENGTH = 256
_PLAIN = re.compile(rb"[!\x22$-:<->@-\[\]-~]+")  # visible ASCII without # ; ? and the backslash
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ENCODED_SEPARATOR = re.compile(rb"%(?:2[fF]|5[cC])")
_AUTHORITY = re.compile(rb"(?:[A-Za-z0-9\-._~]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


class Doubtful(ValueError):
    """A path or a host that could be read in two ways; the text says why."""


@lru_cache(maxsize=2048)
def remembered_path(raw: bytes) -> str:
    """As `read_path`, for short ones."""
    return read_path(raw)


@lru_cache(maxsize=256)
def remembered_host(raw: bytes) -> str:
    """As `read_host`, for short ones."""
    return read_host(raw)


def read_path(raw: bytes) -> str:
    """The decoded path (without query). Doubtful when it is not absolute, or when two servers could differ on it."""
    if raw[:1] != b"/":
        raise Doubtful("the request target must begin with a slash")
    if _PLAIN.fullmatch(raw) is None:
        raise Doubtful("the path has a character that servers read differently")
    decoded = raw
    if b"%" in raw:
        if _BROKEN_ESCAPE.search(raw) is not None:
            raise Doubtful("the path has a broken percent escape")
        if _ENCODED_SEPARATOR.search(raw) is not None:
            raise Doubtful("the path has an encoded slash or backslash")
        decoded = unquote_to_bytes(raw)
    try:
        path = decoded.decode("utf-8")
    except UnicodeDecodeError:
        raise Doubtful("the path is not UTF-8") from None
    if not path.isprintable():
        raise Doubtful("the path has control characters")
    if "//" in path:
        raise Doubtful("the path has an empty segment")
    if "/." in path and not {".", ".."}.isdisjoint(path.split("/")):
        raise Doubtful("the path has a dot segment")
    return path


def read_host(raw: bytes) -> str:
    """The host and port as text. Doubtful when it is no plain `host` or `host:port`."""
    if _AUTHORITY.fullmatch(raw) is None:
        raise Doubtful("the header Host is not a host with an optional port")
    return raw.decode("ascii").lower()
