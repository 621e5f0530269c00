"""Tasks of the system tests: each writes its side effects into a file, so that every start is seen."""

from __future__ import annotations

import os
import time
from pathlib import Path

from taskgate import Context, task
from taskgate.errors import TaskgateError


def _note(path: str, context: Context, word: str) -> None:
    """Append one line by one write: whole lines, whoever else appends."""
    line = f"{context.run_id} {context.attempt} {os.getpid()} {word}\n".encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


@task(name="sys.echo")
def echo(value: str) -> str:
    """Give the input back."""
    return value


@task(name="sys.slow", retries=3)
def slow(ledger: str, seconds: float, *, context: Context) -> int:
    """Take some time, with a line in the ledger at the start and at the end."""
    _note(ledger, context, "start")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.02)
        context.progress(0.5, "working")
    _note(ledger, context, "end")
    return context.attempt


@task(name="sys.gated", retries=3)
def gated(ledger: str, gate: str, *, context: Context) -> int:
    """Work until the gate file exists."""
    _note(ledger, context, "start")
    while not Path(gate).exists():
        time.sleep(0.02)
    _note(ledger, context, "end")
    return context.attempt


@task(name="sys.lines")
def lines(count: int, *, context: Context) -> int:
    """Print and log many lines."""
    for number in range(count):
        context.log(f"line {number} – ünïcode ✓")
    return count


@task(name="sys.bare")
def bare(count: int) -> int:
    """Write lines straight to file descriptor 1, as C code and subprocesses do."""
    for number in range(count):
        os.write(1, f"bare {number}\n".encode())
    return count


@task(name="sys.upload")
def upload(path: str, name: str, *, context: Context) -> dict[str, str | int]:
    """Upload a file as a log; which of our errors it was where it could not be."""
    try:
        done = context.upload_log(path, name=name)
    except TaskgateError as error:
        return {"error": type(error).__name__, "code": error.code}
    return {"sha256": done.sha256, "size": done.size_bytes}


@task(name="sys.trace")
def trace(*, context: Context) -> str:
    """Where this run stands in its trace."""
    return context.traceparent
