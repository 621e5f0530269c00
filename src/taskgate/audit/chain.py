"""The chain: every entry's hash covers the hash before it, so none can be changed, removed or put in unseen.

    hash(n) = SHA-256( hash(n-1) ‖ "\\n" ‖ n ‖ "\\n" ‖ content(n) )        hash(0) = 64 zeros

What retention takes away leaves a checkpoint behind: the number and hash of the last entry that is gone. A log is whole
when its entries lead from its checkpoint to its head without a gap. Whoever can write the whole store can forge a whole
new chain; a head that was noted elsewhere (`taskgate audit verify --expect`) finds that too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from taskgate.audit.entry import Deed, Entry, encoded


class Link(Struct, frozen=True, gc=False):
    """A place in the chain."""

    seq: int = 0
    hash: str = "0" * 64


class Ends(Struct, frozen=True, gc=False):
    """Where a log begins and ends: its entries are those behind `checkpoint`, up to `head`."""

    checkpoint: Link = Link()
    head: Link = Link()


def linked(head: Link, deeds: Sequence[Deed]) -> list[Entry]:
    """The entries that these deeds become behind `head`."""
    entries: list[Entry] = []
    seq, digest = head.seq, head.hash
    for deed in deeds:
        seq, content = seq + 1, encoded(deed)
        digest = hash_of(digest, content, seq=seq)
        entries.append(Entry(seq, content, digest))
    return entries


def hash_of(before: str, content: bytes, *, seq: int) -> str:
    """The hash of entry `seq` behind an entry with the hash `before`."""
    return hashlib.sha256(b"%b\n%d\n%b" % (before.encode("ascii"), seq, content)).hexdigest()


@dataclass(slots=True)
class Verifier:
    """Follows a log from its checkpoint; `flaws` tells in words what is wrong, up to a few."""

    place: Link
    flaws: list[str] = field(default_factory=list)
    count: int = 0

    def follow(self, entry: Entry) -> None:
        """The next entry, by number. After a flaw it goes on from what it was given, to find the next."""
        if entry.seq != self.place.seq + 1:
            self._tell(f"between {self.place.seq} and {entry.seq} entries are missing")
        elif hash_of(self.place.hash, entry.content, seq=entry.seq) != entry.hash:
            self._tell(f"entry {entry.seq} was changed, or the one before it")
        self.place = Link(entry.seq, entry.hash)
        self.count += 1

    def end(self, head: Link) -> None:
        """There are no more: was that the head?"""
        if self.place != head:
            self._tell(f"the log ends at {self.place.seq}, its head says {head.seq}")

    def _tell(self, flaw: str) -> None:
        if len(self.flaws) < 20:
            self.flaws.append(flaw)
