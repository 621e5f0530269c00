"""What the workers of a nemesis round do; every step is a line in the ledger, written by one append."""

from __future__ import annotations

import os
import time

from taskgate import Context, task

TICK_S = 0.1
NEVER = 1_000


def _note(ledger: str, context: Context, word: str) -> None:
    line = f"{context.run_id} {context.attempt} {word} {time.time():.3f}\n".encode()
    descriptor = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


@task(name="nemesis.work", retries=3)
def work(
    ledger: str, *, lines: int = 0, seconds: float = 0.0, fails: int = 0, context: Context
) -> dict[str, int | str]:
    """Talk, take some time, and fail on the first `fails` attempts."""
    _note(ledger, context, "start")
    for number in range(lines):
        context.log(f"{context.attempt}:{number}")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(TICK_S)
        _note(ledger, context, "tick")
    if context.attempt <= fails:
        raise RuntimeError("as it was asked to")
    _note(ledger, context, "end")
    return {"run": context.run_id, "attempt": context.attempt}
