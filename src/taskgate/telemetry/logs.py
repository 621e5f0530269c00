"""The gateway's own log: standard error, text for people or one JSON object a line for collectors.

What comes from outside is data: control characters are escaped, so nobody can forge a line (S29), and long
fields are cut. Secrets have no business here; what slips in is starred out (`redaction.py`, INV-A6). A line of a task
that works for a request or a run carries its `request_id`, `trace_id` and `run_id`.
"""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime

import msgspec

from taskgate.telemetry.redaction import redacted
from taskgate.telemetry.repeating import Repeating
from taskgate.telemetry.settings import LogSettings
from taskgate.trace import about

MAX_CHARACTERS = 8192
FIELDS = ("request_id", "trace_id", "run_id")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def cleaned(text: str) -> str:
    """The text as one line: no control or direction characters, no key, at most 8,192 characters."""
    text = redacted(text[: MAX_CHARACTERS * 2])
    text = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}" if found[0] != "\n" else "\\n", text)
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + "…"


class TextFormat(logging.Formatter):
    """`21:04:05.123 info  taskgate.runs.janitor: words`; a trace follows on indented lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        line = f"{at} {record.levelname.lower():<7} {record.name}: {cleaned(record.getMessage())}"
        if record.exc_info:
            trace = redacted(self.formatException(record.exc_info))
            line += "".join(f"\n    {cleaned(part)}" for part in trace.splitlines())
        return line


class JsonFormat(logging.Formatter):
    """One JSON object a line: `at level logger message request_id? trace_id? run_id? error?`."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": cleaned(record.getMessage()),
        }
        known = about.get()
        for name in FIELDS:
            value = getattr(record, name, "") or known.get(name, "")
            if value:
                fields[name] = cleaned(str(value))[:128]
        if record.exc_info:
            fields["error"] = cleaned(self.formatException(record.exc_info))
        return msgspec.json.encode(fields).decode()


def setup_logs(settings: LogSettings) -> None:
    """Send every logger of this process to standard error in the chosen format. Replaces earlier handlers."""
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(JsonFormat() if settings.format == "json" else TextFormat())
    stream.addFilter(Repeating())
    root = logging.getLogger()
    root.handlers[:] = [stream]
    root.setLevel(settings.level.upper())
    for noisy in ("uvicorn.error", "uvicorn.access", "asyncio", "grpc"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
