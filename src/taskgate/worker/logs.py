"""The worker's own log: lines on stderr that no task and no gateway can forge.

What others said may stand in a message; line breaks and control characters in it are shown as escapes.
"""

from __future__ import annotations

import logging
import re
import sys

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
LONGEST = 4096


class OneLine(logging.Formatter):
    """One record, one line; a traceback of our own follows on lines of its own."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        record.message = _CONTROL.sub(lambda found: repr(found[0])[1:-1], record.message)[:LONGEST]
        return super().formatMessage(record)


def log_to_stderr() -> None:
    """Write everything from INFO upwards to stderr."""
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(OneLine())
    logging.basicConfig(level=logging.INFO, handlers=[stream], force=True)
