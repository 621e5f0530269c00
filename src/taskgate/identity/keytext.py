"""The text of an API key: `tg_<12 characters of public id>_<43 characters of secret>`.

The id finds the record, the secret (256 random bits) proves it. Only the SHA-256 of the secret is ever kept.
A text of any other length is refused before it is looked at closer, so a megabyte of key costs nothing.
"""

from __future__ import annotations

import hashlib
import re
import secrets

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_SHAPE = re.compile(r"tg_([a-z0-9]{12})_([A-Za-z0-9_-]{43})")
_INSIDE = re.compile(r"tgj?_[a-z0-9]{12}_[A-Za-z0-9_-]{43}")
_ID = re.compile(r"[a-z0-9]{12}")
KEY_LENGTH = 59


def new_key() -> tuple[str, str, str]:
    """A fresh key as (id, secret, whole text)."""
    key_id = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    secret = secrets.token_urlsafe(32)
    return key_id, secret, f"tg_{key_id}_{secret}"


def parse_key(text: str) -> tuple[str, str] | None:
    """(id, secret) of a text that has the shape of a key, else None."""
    if len(text) != KEY_LENGTH:
        return None
    match = _SHAPE.fullmatch(text)
    return None if match is None else (match[1], match[2])


def is_key_id(text: str) -> bool:
    """Whether the text has the shape of a key's public id."""
    return _ID.fullmatch(text) is not None


def digest_of_secret(secret: str) -> bytes:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def holds_key(text: str) -> bool:
    """Whether a key stands anywhere in the text."""
    return "tg" in text and _INSIDE.search(text) is not None


def starred(text: str) -> str:
    """The text with the secret of every key in it as stars, for people and logs."""
    return _INSIDE.sub(lambda match: match[0][:-43] + "******", text)
