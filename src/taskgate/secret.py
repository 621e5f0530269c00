"""Texts that must not be read in a log: they print as stars.

Both are ordinary strings to code that uses them (a header, a connection); only what people see of them,
`repr()` and so every settings tree, dataclass or traceback that holds one, is masked. Code that builds a
message by itself must use `masked`.
"""

from __future__ import annotations

import re

STARS = "******"
# Up to the last @ of the authority, or, where a bare slash in the password ends that too soon, to the next one.
_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*):(?:[^/\s]*|[^@\s]*)@")
_QUERY_SECRET = re.compile(r"(?i)([?&](?:[a-z_]*(?:password|secret|token|key))=)[^&\s]*")


class Secret(str):
    """A string whose `repr` never shows it; empty stays visibly empty."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(STARS) if self else "''"


class Url(str):
    """A backend named by URL; `repr` masks its password."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(masked(self))


def masked(url: str) -> str:
    """The URL with its password, and query members named like secrets, as stars."""
    text = _PASSWORD.sub(rf"\1:{STARS}@", str(url))
    return _QUERY_SECRET.sub(rf"\1{STARS}", text)
