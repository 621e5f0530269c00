"""What a token was made out of, so that taking one back takes with it everything that came after it.

A token that a worker renews on its living link stays in its line, one generation further: `ID`, `ID.1.x`, `ID.2.y`. A
token that is made out of another begins a line of its own and names its forebears, each by a few characters
(`mark.generation`). Taking back a token ends its generation, those after it, and whatever was made out of any of them;
what it was itself made out of stays good. Two marks that are the same by chance end one token too many, never too few.
"""

from __future__ import annotations

import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256

PREFIX = "jti:"
MOST_FOREBEARS = 160
_OWN = re.compile(r"jti:([A-Za-z0-9_-]{22})(?:\.([1-9][0-9]{0,8})\.[A-Za-z0-9_-]{8})?")
_ENTRY = re.compile(r"[A-Za-z0-9_-]{8}\.(?:0|[1-9][0-9]{0,8})")

Place = tuple[str, int]


def place_of(token_id: str) -> Place:
    """The line of a token, as its mark, and how many generations it is from its beginning."""
    found = _OWN.fullmatch(token_id)
    line, generation = (found[1], int(found[2] or 0)) if found is not None else (token_id, 0)
    return urlsafe_b64encode(sha256(line.encode()).digest()[:6]).decode("ascii"), generation


def entry_of(token_id: str) -> str:
    """The same as one word, for the lineage of what is made out of it."""
    mark, generation = place_of(token_id)
    return f"{mark}.{generation}"


def next_of(token_id: str) -> str:
    """The id of the next generation of one of our own tokens, without its prefix."""
    found = _OWN.fullmatch(token_id)
    if found is None:
        raise ValueError("not a token of ours")
    return f"{found[1]}.{int(found[2] or 0) + 1}.{secrets.token_urlsafe(6)}"


def is_lineage(words: Iterable[str]) -> bool:
    """Whether these words can be a token's forebears."""
    return all(_ENTRY.fullmatch(word) is not None for word in words)


def comes_of(lineage: Iterable[str], token_id: str) -> bool:
    """Whether who has this lineage ends when the token of that name is taken back."""
    if not token_id.startswith(PREFIX):
        return False
    mark, generation = place_of(token_id)
    return any(word[:8] == mark and int(word[9:]) >= generation for word in lineage)


def is_ended(lineage: Iterable[str], ended: Mapping[str, int]) -> bool:
    """Whether one of the lineage is at or behind the generation from which its line has ended."""
    return any(int(word[9:]) >= ended[word[:8]] for word in lineage if word[:8] in ended)
