"""A text that fits a simple regular expression, made without ever running the expression (it may be hostile).

Understood: literals, classes, `\\d \\w \\s .`, the counts `? * + {n} {n,m}` behind them, `^` and `$`, and groups of
alternatives without nesting. For anything else there is no text.
"""

from __future__ import annotations

import re

MAX_PATTERN = 200
MAX_TEXT = 100
PIECE = re.compile(
    r"(?P<set>\[(?P<inside>[^\]\\^][^\]]*)\])|(?P<code>\\[dwsDWS])|\\(?P<quoted>[^A-Za-z0-9])|"
    r"\((?:\?:)?(?P<group>[A-Za-z0-9_ |-]+)\)|(?P<plain>[^\\\[\](){}?*+|^$])"
)
COUNT = re.compile(r"\?|\*|\+|\{(\d{1,3})(?:,\d{0,3})?\}")
CODES = {"\\d": "1", "\\w": "a", "\\s": " ", "\\D": "a", "\\W": "-", "\\S": "a", ".": "a"}


def text_for(pattern: str) -> str | None:
    """A text that the pattern fits, None when it is not simple."""
    if len(pattern) > MAX_PATTERN:
        return None
    rest = pattern.removeprefix("^")
    if rest.endswith("$") and not rest.endswith("\\$"):
        rest = rest[:-1]
    made = ""
    while rest:
        piece = PIECE.match(rest)
        if piece is None:
            return None
        rest = rest[piece.end() :]
        times = 1
        count = COUNT.match(rest)
        if count is not None:
            rest = rest[count.end() :].removeprefix("?")
            times = {"?": 1, "*": 1, "+": 1}.get(count[0], int(count[1] or 0))
        made += _sign(piece) * times
        if len(made) > MAX_TEXT:
            return None
    return made


def _sign(piece: re.Match[str]) -> str:
    if piece["set"]:
        inside = piece["inside"]
        return CODES.get(inside[:2], inside[0])
    if piece["code"]:
        return CODES[piece["code"]]
    if piece["group"]:
        return piece["group"].partition("|")[0]
    return piece["quoted"] or CODES.get(piece["plain"], piece["plain"])
