"""Identifiers: made by us, opaque to everybody, checked before they touch a store.

Run ids are UUIDv7 (RFC 9562) in canonical lower case: they sort by creation time, which keeps
index pages warm, and carry 74 random bits. Tokens and secrets come from the system's random source.
"""

from __future__ import annotations

import os
import re
import secrets
import time

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TASK = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,127}")


def new_id(now: float | None = None) -> str:
    """A fresh UUIDv7 as 36 lower-case characters; `now` in epoch seconds, the system's clock when absent."""
    ms = int((time.time() if now is None else now) * 1000) & 0xFFFFFFFFFFFF
    tail = int.from_bytes(os.urandom(10), "big")
    rand_a = (tail >> 64) & 0x0FFF
    rand_b = tail & 0x3FFFFFFFFFFFFFFF
    text = f"{ms:012x}7{rand_a:03x}{0x8000000000000000 | rand_b:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def id_floor(at: float) -> str:
    """What sorts before every id made at that moment (epoch seconds) or later, and behind every earlier one."""
    text = f"{int(max(at, 0.0) * 1000) & 0xFFFFFFFFFFFF:012x}"
    return f"{text[:8]}-{text[8:]}"


def new_token() -> str:
    """A fresh 128-bit token as 22 URL-safe characters."""
    return secrets.token_urlsafe(16)


def is_id(text: str) -> bool:
    """Whether the text has the shape of an id made by `new_id`."""
    return _UUID.fullmatch(text) is not None


def is_task_name(text: str) -> bool:
    """Whether the text may name a task: 1-128 of `A-Za-z0-9_.-`, beginning with a letter, digit or underscore."""
    return _TASK.fullmatch(text) is not None


def is_worker_id(text: str) -> bool:
    """Whether the text may name a worker or a service: 1-128 of `A-Za-z0-9_.:@-`."""
    return _NAME.fullmatch(text) is not None
