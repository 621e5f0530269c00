"""One line per step, on stderr, with the time since the start: a benchmark is never silent for long."""

from __future__ import annotations

import sys
import time

_begun = time.monotonic()


def say(text: str) -> None:
    """Print one step."""
    print(f"[{time.monotonic() - _begun:6.1f} s] {text}", file=sys.stderr, flush=True)


def elapsed_s() -> float:
    """Seconds since the benchmark began."""
    return time.monotonic() - _begun
