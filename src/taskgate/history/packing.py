"""A run as archives keep it: what is looked for in columns, the rest in two packed parts.

`head` is the run as a list shows it, `body` what only a look at this very run needs. Both are MessagePack maps, so a
newer taskgate with further members reads what an older one wrote. Labels and holders are looked for by marks, 64-bit
digests, so that no store has to know how to compare somebody's text; what is found is checked against the text itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from taskgate.history.ports import HistoryFilter, Place
from taskgate.runs.run import Attempt, Run

PORTION_BYTES = 8 << 20
MOST_AT_ONCE = 500
BEFORE_ANYTHING_IS_KNOWN = 16
FOREVER = 1e300
LAST = "\U0010ffff"  # sorts behind every id


class _Body(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    input: bytes
    output: bytes | None = None
    current: Attempt | None = None
    attempts: tuple[Attempt, ...] = ()


_encoder = msgspec.msgpack.Encoder()
_heads = msgspec.msgpack.Decoder(Run)
_bodies = msgspec.msgpack.Decoder(_Body)


class Packed(Struct, frozen=True, kw_only=True, gc=False):
    """A row of an archive. `marks` is `|mark|mark|`, "" for none."""

    id: str
    site_id: str
    user_id: str
    task: str
    status: str
    ended_at: float
    is_stopped: bool
    marks: str
    head: bytes
    body: bytes


def packed(runs: Iterable[Run]) -> list[Packed]:
    """Rows for ended runs, one for each id: of two with the same the one that knows when it stopped."""
    chosen: dict[str, Run] = {}
    for run in runs:
        there = chosen.get(run.id)
        if there is None or (there.stopped_at is None and run.stopped_at is not None):
            chosen[run.id] = run
    return [_row(chosen[run_id]) for run_id in sorted(chosen)]


def unpacked(head: bytes, body: bytes) -> Run:
    """The whole run."""
    rest = _bodies.decode(body)
    run = unpacked_head(head)
    return replace(run, input=rest.input, output=rest.output, current=rest.current, attempts=rest.attempts)


def unpacked_head(head: bytes) -> Run:
    """The run as lists show it."""
    return _heads.decode(head)


def headed(run: Run) -> Run:
    """The run without what only its body has."""
    return replace(run, input=b"", output=None, current=None, attempts=())


def wanted_marks(wanted: HistoryFilter) -> tuple[str, str]:
    """What `marks` must contain for the label and for the holder; "" where any will do."""
    label = "" if wanted.label is None else f"|{_mark('label', *wanted.label)}|"
    return label, f"|{_mark('holder', wanted.holder)}|" if wanted.holder else ""


def marks_of(run: Run) -> str:
    """Marks of a run's labels and of everybody who held it."""
    holders = {attempt.holder for attempt in (run.current, *run.attempts) if attempt is not None}
    marks = {_mark("label", *pair) for pair in run.labels} | {_mark("holder", holder) for holder in holders}
    return f"|{'|'.join(sorted(marks))}|" if marks else ""


def portions(rows: Sequence[Packed], *, most_bytes: int = PORTION_BYTES) -> Iterator[list[Packed]]:
    """The rows in pieces of not much more than that many bytes; a row that is larger stands alone."""
    piece: list[Packed] = []
    size = 0
    for row in rows:
        weight = len(row.head) + len(row.body)
        if piece and (size + weight > most_bytes or len(piece) >= MOST_AT_ONCE):
            yield piece
            piece, size = [], 0
        piece.append(row)
        size += weight
    if piece:
        yield piece


class Appetite:
    """How many runs are read at once: as many as recently made one portion, so that large ones do not fill memory."""

    def __init__(self) -> None:
        self.count = BEFORE_ANYTHING_IS_KNOWN

    def taken(self, runs: Sequence[Run]) -> None:
        """Learn from what was read; grows at most fourfold at a time."""
        if runs:
            average = sum(map(size_of, runs)) / len(runs)
            self.count = max(1, min(int(PORTION_BYTES / average), self.count * 4, MOST_AT_ONCE))


def size_of(run: Run) -> int:
    """About how many bytes a run takes."""
    size = 1024 + len(run.input) + len(run.output or b"")
    return size + sum(len(one.request or b"") + len(one.response or b"") + 256 for one in run.attempts)


def _row(run: Run) -> Packed:
    if run.ended_at is None:
        raise ValueError(f"run {run.id} has not ended")
    body = _Body(input=run.input, output=run.output, current=run.current, attempts=run.attempts)
    return Packed(
        id=run.id,
        site_id=run.tenant.site_id,
        user_id=run.tenant.user_id,
        task=run.task,
        status=run.status.value,
        ended_at=run.ended_at,
        is_stopped=run.stopped_at is not None,
        marks=marks_of(run),
        head=_encoder.encode(headed(run)),
        body=_encoder.encode(body),
    )


def _mark(*parts: str) -> str:
    """16 hex digits; the length before each part keeps parts apart."""
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def wanted_values(wanted: HistoryFilter) -> dict[str, Any]:
    """The filter as named values of a statement, for engines that know no infinity."""
    label_mark, holder_mark = wanted_marks(wanted)
    cursor = wanted.cursor or Place(FOREVER, LAST)
    return {
        "site_id": wanted.site_id,
        "user_id": wanted.user_id,
        "task": wanted.task,
        "status": "" if wanted.status is None else wanted.status.value,
        "ended_from": -FOREVER if wanted.ended_from is None else wanted.ended_from,
        "ended_before": FOREVER if wanted.ended_before is None else wanted.ended_before,
        "label_mark": label_mark,
        "holder_mark": holder_mark,
        "id_prefix": wanted.id_prefix,
        "cursor_ended_at": cursor.ended_at,
        "cursor_id": cursor.run_id,
        "limit": wanted.limit,
    }
