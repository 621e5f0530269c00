"""A worker's log and progress that the gateway has not called durable yet.

Per (run, attempt, stream) numbers go up by one without a gap; what is kept is a tail of that sequence, so
saying all of it again after a cut leaves neither gap nor, thanks to the numbers, a repeat (INV-L1).
Bounded by bytes: when it is full the shell keeps what comes for later (`worker/outbox.py`), it never drops a line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from taskgate.errors import LocalLinkError
from taskgate.wire.messages import Log, LogAck, Progress

LINE_BYTES = 64  # what a line weighs beside its text
PROGRESS = "progress"
STREAM_CHARS = 64
LEVEL_CHARS = 16

RunKey = tuple[str, int]


class _Stream:
    """One stream: the last number given, and the kept tail as (last number, weight, message)."""

    __slots__ = ("kept", "last_seq")

    def __init__(self) -> None:
        self.last_seq = 0
        self.kept: deque[tuple[int, int, Log | Progress]] = deque()


class LogWindow:
    """What is said about runs and not durable yet, in order per stream."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._used_bytes = 0
        self._runs: dict[RunKey, dict[str, _Stream]] = {}
        self._ended: set[RunKey] = set()

    @property
    def room_bytes(self) -> int:
        """What still fits. A message is taken while this is positive, however large it is."""
        return self._limit_bytes - self._used_bytes

    def add(self, message: Log | Progress) -> None:
        """Keep the message. LocalLinkError when the window is full or its numbers do not follow on."""
        if self._used_bytes >= self._limit_bytes:
            raise LocalLinkError("the log window is full", code="LOG_WINDOW_FULL")
        if isinstance(message, Progress):
            name, first, last, weight = PROGRESS, message.seq, message.seq, len(message.text) + LINE_BYTES
        else:
            name, lines = message.stream, message.lines
            if not lines or name == PROGRESS:
                raise LocalLinkError("a log batch needs lines and a stream of its own")
            first, last = lines[0].seq, lines[-1].seq
            weight = sum([len(line.text) for line in lines]) + LINE_BYTES * len(lines)
            if last - first + 1 != len(lines):
                raise LocalLinkError(f"log lines {first}..{last} have gaps")
        streams = self._runs.setdefault((message.run_id, message.attempt), {})
        stream = streams.get(name) or streams.setdefault(name, _Stream())
        if first != stream.last_seq + 1:
            raise LocalLinkError(f"{name} of {message.run_id} goes on with {stream.last_seq + 1}, not {first}")
        stream.last_seq = last
        stream.kept.append((last, weight, message))
        self._used_bytes += weight

    def acked(self, ack: LogAck) -> bool:
        """Forget what is durable; a batch that is durable in part is kept whole. Whether anything was forgotten."""
        key = (ack.run_id, ack.attempt)
        streams = self._runs.get(key)
        stream = streams.get(ack.stream) if streams else None
        if streams is None or stream is None:
            return False
        kept, before = stream.kept, self._used_bytes
        while kept and kept[0][0] <= ack.seq:
            self._used_bytes -= kept.popleft()[1]
        if key in self._ended and not any(other.kept for other in streams.values()):
            self.discard(key)
        return self._used_bytes < before

    def end(self, key: RunKey) -> None:
        """The run says nothing more: its streams are forgotten with their last acknowledgement."""
        streams = self._runs.get(key)
        if streams is None:
            return
        if any(stream.kept for stream in streams.values()):
            self._ended.add(key)
        else:
            self.discard(key)

    def discard(self, key: RunKey) -> None:
        """Forget everything about the run: nobody will take it any more."""
        self._ended.discard(key)
        for stream in self._runs.pop(key, {}).values():
            self._used_bytes -= sum(weight for _, weight, _ in stream.kept)

    def again(self) -> Iterator[Log | Progress]:
        """Everything kept, in order per stream, to be said on a new connection."""
        for streams in self._runs.values():
            for stream in streams.values():
                yield from (message for _, _, message in stream.kept)


def check_lines(log: Log, *, line_count: int, line_chars: int) -> str:
    """What is wrong with a batch that came from outside: over a bound, or numbers that jump. Empty when nothing is."""
    lines = log.lines
    if not lines or len(lines) > line_count:
        return f"a log batch has 1 to {line_count} lines, not {len(lines)}"
    expected = lines[0].seq
    if expected < 1 or log.stream == PROGRESS:
        return "log lines are numbered from 1, in a stream that is not called progress"
    if len(log.stream) > STREAM_CHARS:  # every entry carries it
        return f"the name of a stream has at most {STREAM_CHARS} characters"
    for line in lines:
        if line.seq != expected:
            return f"log line {line.seq} comes where {expected} belongs"
        if len(line.text) > line_chars:
            return f"log line {line.seq} is longer than {line_chars} characters"
        if len(line.level) > LEVEL_CHARS:
            return f"the level of log line {line.seq} is longer than {LEVEL_CHARS} characters"
        expected += 1
    return ""
