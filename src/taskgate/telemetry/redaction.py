"""Secrets that slipped into a line of the log, starred out (INV-A6).

Secrets have no business in a log; this is the net below. What it knows: our keys and tokens, the secrets of services,
signed tokens of anybody, passwords in URLs, and whatever follows the name of a header or member that carries a
credential.
"""

from __future__ import annotations

import re

from taskgate.secret import STARS

_OURS = re.compile(r"tg(?:[a-z]?_[A-Za-z0-9]{6,}_[A-Za-z0-9_-]{20,}|i_[A-Za-z0-9_-]{43})")
_SIGNED = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")
_PASSWORD = re.compile(r"(?<=://)([^/@\s:\"']{0,256}):([^\s/\"']{1,1024})@")
_NAMED = re.compile(
    r"(?i)\b((?:proxy-)?authorization|x-api-key|x-internal-auth|api_?key|ticket|password|secret|(?:set-)?cookie|token)"
    r"(\\?[\"']?\s*[:=,]\s*(?:b?\\?[\"'])?(?:bearer\s+|basic\s+)?)([^\s\"',;&)\\]{8,})"
)


def redacted(text: str) -> str:
    """The text with stars where secrets were."""
    text = _OURS.sub(STARS, text)
    text = _SIGNED.sub(STARS, text)
    if "://" in text:
        text = _PASSWORD.sub(rf"\1:{STARS}@", text)
    return _NAMED.sub(rf"\1\2{STARS}", text)
