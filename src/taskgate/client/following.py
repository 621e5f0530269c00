"""Reading a run's journal live, over any number of connections, without a gap or a repeat (INV-L1).

The tail remembers the last number it handed out. After a cut the stream is opened again behind that number, by
`Last-Event-ID`; entries at or below it are dropped, an entry that skips a number counts as a cut. The journal is
complete when its `result` entry has come and the count of entries in it, and where we read from the first one on
the hash over them (`seq TAB kind TAB stream TAB text LF`), agree with ours (INV-L2).
The gateway writes a comment every 15 s, so a silent stream is a dead one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import msgspec

from taskgate.client import requests
from taskgate.client.plans import ask_list
from taskgate.client.retries import Attempts, Patience
from taskgate.client.shapes import Entry
from taskgate.client.steps import Answer, Emit, Lost, Open, Pause, Plan, Read
from taskgate.errors import RemoteLinkError

T = TypeVar("T")
END_EVENT = "end"  # said behind the last entry of a whole journal
GAP_COUNT = 5
EVENT_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream: its name, and its data as one piece."""

    name: str
    content: bytes


class EventStream:
    """Bytes of a `text/event-stream` in, its events out (WHATWG HTML 9.2.6), however the bytes are cut."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._lines: list[bytes] = []

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that this piece completes; an event that is cut off is never given."""
        whole = (self._rest + chunk).replace(b"\r\n", b"\n")
        *lines, self._rest = whole.split(b"\n")
        if len(self._rest) > EVENT_BYTES:
            raise RemoteLinkError(f"a journal entry of more than {EVENT_BYTES} bytes")
        events = []
        for line in lines:
            if line.startswith(b"data:"):
                self._lines.append(line[5:].removeprefix(b" "))
            elif line.startswith(b"event:"):
                self._name = line[6:].strip().decode("utf-8", "replace")
            elif not line:
                if self._lines:
                    events.append(Event(self._name, b"\n".join(self._lines)))
                self._name, self._lines = "", []
        return events


class End(msgspec.Struct):
    """What the end event tells."""

    last_seq: int


class Place(Enum):
    """Where an entry stands behind what was read so far."""

    NEXT = "next"
    REPEAT = "repeat"
    BEYOND_A_GAP = "beyond a gap"


class Tail:
    """How far a journal was read: `seq` is the last number handed out, `is_ended` once the result was seen."""

    def __init__(self, after: int) -> None:
        self.seq = after
        self.is_ended = False
        self.gap_count = 0
        self._digest = hashlib.sha256() if after == 0 else None

    def place(self, entry: Entry) -> Place:
        """Where the entry stands; the next one is counted as read. Raises RemoteLinkError for an end that lies."""
        if self.is_ended or entry.seq <= self.seq:
            return Place.REPEAT
        if entry.seq != self.seq + 1:
            self.gap_count += 1
            return Place.BEYOND_A_GAP
        self.seq = entry.seq
        self.gap_count = 0
        if entry.kind == "result":
            self._end(entry)
        elif self._digest is not None:
            self._digest.update(f"{entry.seq}\t{entry.kind}\t{entry.stream}\t{entry.text}\n".encode())
        return Place.NEXT

    def ends_at(self, last_seq: int) -> bool:
        """The gateway says that nothing follows `last_seq`: whether that is how far we read."""
        self.is_ended = self.is_ended or last_seq == self.seq
        return self.is_ended

    def _end(self, entry: Entry) -> None:
        self.is_ended = True
        count = entry.fields.get("count")
        if isinstance(count, int) and count != entry.seq - 1:
            raise RemoteLinkError(f"the journal ended after {entry.seq - 1} entries and should have {count}")
        told = entry.fields.get("sha256")
        if isinstance(told, str) and self._digest is not None and told != self._digest.hexdigest():
            raise RemoteLinkError("the journal's entries are not those that its end was made of")


def follow(run_id: str, after: int, *, patience: Patience) -> Plan[None]:
    """Emits every entry behind `after` in order and returns behind the result; resumes by itself after a cut."""
    tail = Tail(after)
    attempts = Attempts(patience)
    while not tail.is_ended:
        reply: Answer | Lost = yield Open(requests.follow(run_id, after=tail.seq))
        if isinstance(reply, Answer) and reply.status < 300:
            reply = yield from _read_on(tail, attempts)
        if not tail.is_ended:
            yield Pause(attempts.after(reply, repeatable=True))


def journal(run_id: str, after: int, *, patience: Patience, page: int = 1000) -> Plan[None]:
    """Emits what the journal has now behind `after`, page by page, and returns without waiting for more."""
    while True:
        request = requests.journal(run_id, after=after, limit=page)
        entries = yield from ask_list(request, "entries", wanted=Entry, patience=patience)
        first = after
        for entry in entries:
            if entry.seq > after:
                yield Emit(entry)
                after = entry.seq
        # A page may be shorter than asked for where its entries are large: only nothing new, or the end, ends it.
        if after == first or entries[-1].kind == "result":
            return


def _read_on(tail: Tail, attempts: Attempts) -> Plan[Lost]:
    """Emits what the open stream brings until it ends; tells how it ended."""
    stream = EventStream()
    while not tail.is_ended:
        chunk: bytes | Lost = yield Read()
        if isinstance(chunk, Lost):
            return chunk
        if not chunk:
            return Lost(reason="the journal's stream ended before the run did")
        attempts.alive()
        for event in stream.feed(chunk):
            if event.name == END_EVENT:
                is_whole = tail.ends_at(_read(event, End).last_seq)
                return Lost(reason="ended" if is_whole else f"entries after {tail.seq} are missing")
            entry = _read(event, Entry)
            place = tail.place(entry)
            if place is Place.NEXT:
                attempts.failure_count = 0
                yield Emit(entry)
            elif place is Place.BEYOND_A_GAP:
                if tail.gap_count >= GAP_COUNT:
                    raise RemoteLinkError(f"the journal skips entries after {tail.seq}")
                return Lost(reason=f"an entry after {tail.seq} is missing")
    return Lost(reason="the run has ended")


def _read(event: Event, wanted: type[T]) -> T:
    try:
        return msgspec.json.decode(event.content, type=wanted)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RemoteLinkError(f"a journal entry that cannot be read: {error}") from error
