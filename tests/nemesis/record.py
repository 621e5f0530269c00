"""What the callers saw: every reply, written as it came, into a file that is only ever appended to."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any


class Record:
    """The callers' own memory; `entries` is the same as the file."""

    def __init__(self, path: Path) -> None:
        self.entries: list[dict[str, Any]] = []
        self._file = path.open("a", encoding="utf-8")

    def note(self, kind: str, **told: Any) -> None:
        entry = {"kind": kind, "at": time.time(), **told}
        self.entries.append(entry)
        self._file.write(json.dumps(entry) + "\n")

    def close(self) -> None:
        self._file.close()
