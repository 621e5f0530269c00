"""The worker's own log: standard error, text for people or one JSON object a line for collectors.

What others said may stand in a message, so no message can forge a line (S29): line breaks, control and direction
characters are shown as escapes. The text of a key or a token that slips in is starred out (INV-A6).
"""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime

import msgspec

from taskgate.secret import STARS
from taskgate.worker.settings import WorkerSettings

LONGEST = 8192
_KEY = re.compile(r"tgj?_[A-Za-z0-9]{6,}_[A-Za-z0-9_-]{20,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class OneLine(logging.Formatter):
    """One record, one line, in either form; as text a traceback of our own follows on lines of its own."""

    def __init__(self, *, is_json: bool) -> None:
        super().__init__()
        self._is_json = is_json

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        level, message = record.levelname.lower(), cleaned(record.getMessage())
        trace = _KEY.sub(STARS, self.formatException(record.exc_info)) if record.exc_info else ""
        if not self._is_json:
            line = f"{at.strftime('%H:%M:%S.%f')[:-3]} {level:<7} {record.name}: {message}"
            return f"{line}\n{trace}" if trace else line
        fields = {"at": at.isoformat(timespec="milliseconds"), "level": level, "logger": record.name}
        fields["message"] = message
        if run_id := getattr(record, "run_id", ""):
            fields["run_id"] = cleaned(str(run_id))[:128]
        return msgspec.json.encode(fields | ({"error": trace} if trace else {})).decode()


def cleaned(text: str) -> str:
    """The text as one line without a key."""
    text = _KEY.sub(STARS, text[: 2 * LONGEST])
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)[:LONGEST]


def log_to_stderr(settings: WorkerSettings) -> None:
    """Write everything from the chosen level upwards to stderr."""
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(OneLine(is_json=settings.log_format == "json"))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[stream], force=True)
    for noisy in ("asyncio", "grpc"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
