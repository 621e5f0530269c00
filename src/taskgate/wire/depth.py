"""How deep a JSON text is nested, without building it.

Every parser on the way of a payload recurses, and each breaks at a depth of its own: the gateway's, the worker's,
the caller's. So both ends refuse what is deeper than `DEEPEST`, long before any of them breaks.
"""

from __future__ import annotations

import re
from itertools import accumulate

DEEPEST = 200
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_OTHERS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def is_too_deep(text: bytes, *, deepest: int = DEEPEST) -> bool:
    """Whether valid JSON is nested deeper than `deepest` levels. Cheap for text with few brackets."""
    if text.count(b"[") + text.count(b"{") <= deepest:
        return False
    brackets = _STRINGS.sub(b"", text).translate(None, _OTHERS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > deepest
