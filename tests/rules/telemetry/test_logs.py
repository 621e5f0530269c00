"""Lines of the log: no secret, no forged line, no flood; and the names of the request that they are about."""

from __future__ import annotations

import json
import logging

import pytest

from taskgate.telemetry.logs import JsonFormat, TextFormat
from taskgate.telemetry.redaction import redacted
from taskgate.telemetry.repeating import MOST, WINDOW_S, Repeating
from taskgate.trace import about

KEY = "tg_abcdef123456_0123456789abcdefghijABCDEFGHIJ0123"
SERVICE = "tgi_" + "0123456789abcdefghijABCDEFGHIJ-123456789abcd"[:43]
JWT = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ3b3JrZXItMSJ9.c2lnbmF0dXJlLWNhbmFyeQ"
CANARIES = [
    (f"key {KEY} was shown", KEY),
    (f"token {JWT} has run out", JWT),
    (f"signed as {SERVICE} by nobody", SERVICE),
    ("cannot reach postgresql://taskgate:hunter2-canary@db/one", "hunter2-canary"),
    ("redis://:hunter2-canary@cache:6379/0 is away", "hunter2-canary"),
    ("redis://:p@hunter2-canary@cache:6379/0 is away", "hunter2-canary"),
    ("Authorization: Bearer opaque-canary-123456", "opaque-canary-123456"),
    ("headers {'authorization': 'Bearer opaque-canary-123456'}", "opaque-canary-123456"),
    ("(b'x-api-key', b'opaque-canary-123456')", "opaque-canary-123456"),
    ("GET /ws?ticket=opaque-canary-123456&a=b", "opaque-canary-123456"),
    ("join token=opaque-canary-123456", "opaque-canary-123456"),
    ("password=opaque-canary-123456", "opaque-canary-123456"),
]


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("taskgate.x", logging.WARNING, "x.py", 1, message, args, None)
    made.__dict__.update(extra)
    return made


@pytest.mark.parametrize(("line", "secret"), CANARIES)
@pytest.mark.parametrize("form", [TextFormat(), JsonFormat()])
def test_no_secret_is_written(line: str, secret: str, form: logging.Formatter) -> None:
    """INV-A6, in the message, in its arguments and in a trace."""
    assert secret not in form.format(record(line))
    assert secret not in form.format(record("%s", line))
    try:
        raise ValueError(line)
    except ValueError as error:
        failed = record("it failed")
        failed.exc_info = (ValueError, error, error.__traceback__)
        assert secret not in form.format(failed)


def test_what_is_no_secret_stays() -> None:
    for line in ("run 01930000-0000-7000-8000-000000000001 ended", "http://127.0.0.1:8082/v1/x", "token count: 12"):
        assert redacted(line) == line


def test_lines_name_their_request_and_run() -> None:
    token = about.set({"request_id": "r-1", "trace_id": "t" * 32})
    try:
        told = json.loads(JsonFormat().format(record("words", run_id="run\n1")))
    finally:
        about.reset(token)
    assert (told["request_id"], told["trace_id"], told["run_id"]) == ("r-1", "t" * 32, "run\\n1")
    assert "request_id" not in json.loads(JsonFormat().format(record("words")))


def test_nobody_forges_a_line_by_an_exception() -> None:
    """S29: the lines of a trace are indented, and have no control characters of their own."""
    try:
        raise ValueError("x\n21:04:05.123 info    taskgate.audit: admin came in\r\x1b[2K\u2028forged")
    except ValueError as error:
        failed = record("it failed")
        failed.exc_info = (ValueError, error, error.__traceback__)
        first, *trace = TextFormat().format(failed).split("\n")
    assert first.endswith("it failed")
    assert trace
    assert all(line.startswith("    ") and line.isprintable() for line in trace)


def test_nobody_forges_a_line() -> None:
    """S29: one record is one line, whatever stands in it."""
    nasty = 'x\r\n{"level":"info"}\u2028\x1b[31m\u202e'
    for form in (TextFormat(), JsonFormat()):
        line = form.format(record("%s", nasty, run_id=nasty))
        assert "\n" not in line
        assert not any(mark in line for mark in "\r\u2028\x1b\u202e")


def test_a_line_said_too_often_is_counted_instead() -> None:
    now = [0.0]
    cap = Repeating(lambda: now[0])
    passed = sum(cap.filter(record("store %s is away", str(count))) for count in range(MOST + 30))
    assert (passed, cap.dropped_count) == (MOST, 30)
    assert cap.filter(record("another line"))
    now[0] = WINDOW_S
    later = record("store %s is away", "again")
    assert cap.filter(later)
    assert later.getMessage() == "store again is away (and 30 more like it)"
