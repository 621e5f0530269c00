"""The order in which a run's words and its result may leave, when the link has no room for words.

The link takes log text only while it has room. What it cannot take waits here, first in first out; a result never
overtakes what its run has said before it. Bounded by what runs may say: while much waits, no new work is taken.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from taskgate.wire.messages import Log, Progress, TaskResult

Key = tuple[str, int]
Item = Log | Progress | TaskResult
FULL_BYTES = 32 << 20


class Outbox:
    """`room` asks the link how many bytes of words it takes, `send` gives it one."""

    def __init__(self, room: Callable[[], int], send: Callable[[Item], None]) -> None:
        self._room = room
        self._send = send
        self._waiting: deque[tuple[Key, Item]] = deque()
        self._words: dict[Key, int] = {}
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether so much waits that no new work should be taken."""
        return self._bytes > FULL_BYTES

    @property
    def is_empty(self) -> bool:
        return not self._waiting

    def put(self, item: Item) -> None:
        """Send it now, or keep it until there is room."""
        key = (item.run_id, item.attempt)
        if isinstance(item, TaskResult):
            if key in self._words:
                self._waiting.append((key, item))
            else:
                self._send(item)
        elif not self._waiting and self._room() > 0:
            self._send(item)
        else:
            self._waiting.append((key, item))
            self._words[key] = self._words.get(key, 0) + 1
            self._bytes += _size(item)

    def pump(self) -> None:
        """Send what there is room for."""
        while self._waiting:
            key, item = self._waiting[0]
            if not isinstance(item, TaskResult):
                if self._room() <= 0:
                    return
                self._uncount(key, item)
            self._waiting.popleft()
            self._send(item)

    def forget(self, key: Key) -> TaskResult | None:
        """Nobody wants to hear from this run any more; returns its result if that had to wait for its words."""
        result: TaskResult | None = None
        if key in self._words:
            for waiting, item in self._waiting:
                if waiting == key:
                    if isinstance(item, TaskResult):
                        result = item
                    else:
                        self._uncount(key, item)
            self._waiting = deque(entry for entry in self._waiting if entry[0] != key)
        return result

    def _uncount(self, key: Key, item: Log | Progress) -> None:
        self._bytes -= _size(item)
        left = self._words.pop(key) - 1
        if left:
            self._words[key] = left


def _size(item: Log | Progress) -> int:
    return sum(len(line.text) for line in item.lines) if isinstance(item, Log) else len(item.text)
