"""A line that is said over and over is said a few times, then counted.

Lines are the same when their logger, level and template are: what fills them in does not matter. So nobody fills a
disk by making the gateway complain, and what else it has to say stays readable.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

WINDOW_S = 10.0
MOST = 20
KINDS = 1024


class Repeating(logging.Filter):
    """Lets `MOST` lines of a kind pass in `WINDOW_S`; the first of a later window says how many were dropped."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._now = now
        self._kinds: OrderedDict[tuple[str, int, str], tuple[float, int]] = OrderedDict()
        self.dropped_count = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        key, now = (record.name, record.levelno, str(record.msg)[:256]), self._now()
        began, count = self._kinds.pop(key, (now, 0))
        if now - began >= WINDOW_S:
            if count > MOST:
                record.msg, record.args = f"{record.getMessage()} (and {count - MOST} more like it)", ()
            began, count = now, 0
        self._kinds[key] = (began, count + 1)
        if len(self._kinds) > KINDS:
            self._kinds.popitem(last=False)
        if count < MOST:
            return True
        self.dropped_count += 1
        return False


def dropped_count() -> int:
    """Lines that this process has dropped."""
    found = (one for handler in logging.getLogger().handlers for one in handler.filters)
    return sum(one.dropped_count for one in found if isinstance(one, Repeating))
