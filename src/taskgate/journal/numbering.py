"""Giving numbers to what comes in: the pure rule that every journal store applies inside its commit.

A subject remembers, per (attempt, stream), the highest number its sender has used. A draft at or below it is a
repeat and dropped; a draft that skips a number cuts its batch there, because the sender will send again from
the gap. So the stored entries of a stream are always a prefix of what was sent (INV-L1).

What a subject may cost is bounded: `MAX_SUBJECT_BYTES` of entries, then one entry says that the rest is dropped;
`MAX_SOURCES` senders, then those of the oldest attempt are forgotten, whose leases are long lost. A sender of
dropped drafts is told that they are durable, so that a flood neither fills the disk nor holds its run up.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from taskgate.journal.entry import Appended, Batch, Draft, Entry

MAX_SUBJECT_BYTES = 64 << 20
MAX_SOURCES = 256
ENTRY_BYTES = 64  # what an entry costs beside its text and fields

Source = tuple[int, str]


@dataclass(slots=True)
class Subject:
    """What is known of one subject: last number, stored bytes, each source's last number, whether it is closed."""

    last_seq: int = 0
    stored_bytes: int = 0
    sources: dict[Source, int] = field(default_factory=dict)
    is_full: bool = False
    is_sealed: bool = False


def number(subject: Subject, batch: Batch, *, limit_bytes: int = MAX_SUBJECT_BYTES) -> tuple[list[Entry], Appended]:
    """Give the batch's new drafts their numbers and note them in `subject`; returns them with the verdict."""
    source = (batch.attempt, batch.stream)
    if subject.is_sealed or not _has_room(subject.sources, source):
        return [], dropped(batch)
    seen = subject.sources.get(source, 0)
    entries: list[Entry] = []
    for draft in batch.drafts:
        if draft.source_seq:
            if draft.source_seq <= seen:
                continue
            if draft.source_seq != seen + 1:
                break
            seen = draft.source_seq
        if subject.is_full:
            continue
        size = cost(draft)
        if subject.stored_bytes + size > limit_bytes:
            subject.is_full = True
            draft, size = _last_draft(draft, limit_bytes), 0
        subject.stored_bytes += size
        subject.last_seq += 1
        entries.append(_entry(subject.last_seq, batch, draft=draft))
    if seen:
        subject.sources[source] = seen
    return entries, Appended(seen, len(entries), subject.last_seq, subject.is_full)


def dropped(batch: Batch) -> Appended:
    """The verdict on a batch that nobody keeps: durable for its sender, without a number."""
    return Appended(max((draft.source_seq for draft in batch.drafts), default=0), 0, 0)


def cost(item: Draft | Entry) -> int:
    """Bytes that a draft or an entry is counted with: its text in UTF-8, its fields, and a little for the rest."""
    text = item.text
    size = ENTRY_BYTES + (len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass")))
    return size + len(msgspec.json.encode(item.fields)) if item.fields else size


def _has_room(sources: dict[Source, int], source: Source) -> bool:
    """Whether a batch of this source may be noted; makes room at the cost of older attempts."""
    if source in sources or len(sources) < MAX_SOURCES:
        return True
    oldest = min(attempt for attempt, _ in sources)
    if oldest >= source[0]:
        return False
    for known in [known for known in sources if known[0] == oldest]:
        del sources[known]
    return True


def _last_draft(draft: Draft, limit_bytes: int) -> Draft:
    text = f"LOG_TRUNCATED: the journal is full at {limit_bytes} bytes, the rest is dropped"
    return Draft(kind="log", at=draft.at, level="warning", text=text, fields={"code": "LOG_TRUNCATED", "full": True})


def _entry(seq: int, batch: Batch, *, draft: Draft) -> Entry:
    return Entry(
        seq=seq,
        kind=draft.kind,
        at=draft.at,
        text=draft.text,
        stream=batch.stream,
        level=draft.level,
        attempt=batch.attempt,
        fraction=draft.fraction,
        fields=draft.fields,
    )
