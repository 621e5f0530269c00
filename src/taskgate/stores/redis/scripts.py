"""Lua from its files: each is loaded once per connection and called by its digest.

A file may begin with lines `-- include NAME`, which are replaced by the text of that file.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_INCLUDE = re.compile(r"^-- include (\w+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the digest under which a server knows it."""

    name: str
    text: str
    digest: str


@cache
def script(name: str) -> Script:
    """The script of `lua/<name>.lua`."""
    text = _text(name)
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def _text(name: str) -> str:
    text = (files(__package__) / "lua" / f"{name}.lua").read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda found: _text(found[1]), text)
