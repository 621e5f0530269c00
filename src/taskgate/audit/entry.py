"""A deed, and the entry that it becomes.

A deed is encoded once, when it is appended; the hash is of those very bytes, so nothing that reads it later, and no
newer taskgate, can disagree about what was signed. Whoever makes a deed has left every secret out.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

Outcome = Literal["begun", "done", "refused", "failed", "denied", "noted"]
"""`begun` stands before the deed and is durable by then; what became of it follows as `done`, `refused` (the caller's
fault, or not now) or `failed`. `denied`: the scope was missing. `noted`: the gateway's own doing."""

MAX_TEXT = 256


class Actor(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who did it: a credential's public id, never the credential."""

    id: str = ""
    name: str = ""
    kind: str = ""
    site_id: str = ""
    user_id: str = ""
    address: str = ""


class Deed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody did, or tried. `at` in epoch seconds; `detail` is JSON without secrets."""

    at: float
    action: str
    outcome: Outcome
    actor: Actor = Actor()
    subject: str = ""
    request_id: str = ""
    detail: dict[str, Any] = {}


class Entry(Struct, frozen=True, gc=False):
    """A deed in the log: `content` is its encoding, `hash` covers it, its number and the hash before."""

    seq: int
    content: bytes
    hash: str

    @property
    def deed(self) -> Deed:
        return _deeds.decode(self.content)


def storable(text: str) -> str:
    """A text that every store can keep and a terminal can show: what is not printable stands as its escape, what is too
    long is cut. Somebody's odd name must not keep a deed out of the log, nor a deed from being done."""
    if len(text) <= MAX_TEXT and text.isprintable():
        return text
    shown = (one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text[:MAX_TEXT])
    return "".join(shown)[:MAX_TEXT]


def encoded(deed: Deed) -> bytes:
    """The bytes that are kept and hashed."""
    return msgspec.json.encode(deed, order="deterministic")


_deeds = msgspec.json.Decoder(Deed)
