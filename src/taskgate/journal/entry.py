"""A journal entry, and a batch of entries on its way in.

Workers number what they send per (attempt, stream), only to drop repeats; the store gives one number per
subject, without a gap, in the commit of the batch. Order is by `seq`, never by time. What is not durable
is not shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

Kind = Literal["log", "progress", "token", "state", "result"]


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One numbered entry. `at` is epoch seconds; `fraction` of 0..1 only on progress; `fields` per kind."""

    seq: int
    kind: Kind
    at: float
    text: str = ""
    stream: str = ""
    level: str = ""
    attempt: int = 0
    fraction: float | None = None
    fields: dict[str, Any] = {}


class Draft(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An entry before it is numbered; `source_seq` is the sender's own number (0 = none, never dropped)."""

    kind: Kind
    at: float
    text: str = ""
    level: str = ""
    fraction: float | None = None
    fields: dict[str, Any] = {}
    source_seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Drafts of one source, in the source's order. The caller has already checked that it may write."""

    subject: str
    attempt: int
    stream: str
    drafts: tuple[Draft, ...]


@dataclass(frozen=True, slots=True)
class Appended:
    """Verdict on one batch: the highest `source_seq` that is durable now, and how many entries were new."""

    source_seq: int
    added_count: int
    last_seq: int
    full: bool = False  # the subject reached its size limit: the rest was dropped and one entry says so
