"""Giving numbers to what comes in: the pure rule that every journal store applies inside its commit.

A subject remembers, per (attempt, stream), the highest number its sender has used. A draft at or below it is a
repeat and dropped; a draft that skips a number cuts its batch there, because the sender will send again from
the gap. So the stored entries of a stream are always a prefix of what was sent (INV-L1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from taskgate.journal.entry import Appended, Batch, Entry

MAX_SUBJECT_BYTES = 64 << 20
ENTRY_BYTES = 64  # what an entry costs beside its text
_FULL: dict[str, Any] = {"full": True}


@dataclass(slots=True)
class Ledger:
    """What is known of one subject: last number, stored bytes, each source's last number, whether it is sealed."""

    last_seq: int = 0
    stored_bytes: int = 0
    sources: dict[tuple[int, str], int] = field(default_factory=dict)
    is_full: bool = False
    is_sealed: bool = False


def number(ledger: Ledger, batch: Batch, *, limit_bytes: int = MAX_SUBJECT_BYTES) -> tuple[list[Entry], Appended]:
    """Give the batch's new drafts their numbers and note them in `ledger`; returns them with the verdict.

    Over the limit nothing more of the subject is kept, and one last entry says so; the sender is told that
    everything is durable, so that a flood neither fills the disk nor holds the run up.
    """
    source = (batch.attempt, batch.stream)
    seen = ledger.sources.get(source, 0)
    entries: list[Entry] = []
    for draft in batch.drafts:
        if draft.source_seq:
            if draft.source_seq <= seen:
                continue
            if draft.source_seq != seen + 1:
                break
            seen = draft.source_seq
        if ledger.is_full or ledger.is_sealed:
            continue
        size = len(draft.text) + ENTRY_BYTES
        text, kind, fields = draft.text, draft.kind, draft.fields
        if ledger.stored_bytes + size > limit_bytes:
            ledger.is_full = True
            text, kind, fields = (
                f"the journal is full at {limit_bytes} bytes: the rest is dropped",
                "log",
                {"full": True},
            )
        ledger.stored_bytes += size
        ledger.last_seq += 1
        entries.append(
            Entry(
                seq=ledger.last_seq,
                kind=kind,
                at=draft.at,
                text=text,
                stream=batch.stream,
                level=draft.level,
                attempt=batch.attempt,
                fraction=draft.fraction,
                fields=fields,
            )
        )
    if seen:
        ledger.sources[source] = seen
    return entries, Appended(seen, len(entries), ledger.last_seq, ledger.is_full)
