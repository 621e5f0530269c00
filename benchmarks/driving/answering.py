"""How every driver process talks to the benchmark: a command per line on stdin, an answer per line on stdout."""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

_answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # whatever a library prints goes to the log


def commands() -> Iterator[dict[str, Any]]:
    """The commands as they come, until the benchmark is done with us."""
    for line in sys.stdin:
        yield json.loads(line)


def answer(**members: Any) -> None:
    """One answer."""
    print(json.dumps(members), file=_answers, flush=True)
