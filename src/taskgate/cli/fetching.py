"""Uploaded logs of runs, to a file or to standard output.

What the file has already is not fetched again, so the same command goes on where a cut, a crash or Ctrl-C has stopped
it. Once the log is sealed the whole of it is compared with the checksum that the gateway has; a file that differs is
told and kept as it is. Memory is one piece.
"""

from __future__ import annotations

import codecs
import hashlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from taskgate.cli.reading import PAUSE_S, TRIES, Reading, bar, opened
from taskgate.cli.screen import Screen, plain
from taskgate.client.shapes import ENDED
from taskgate.errors import Conflict, Unavailable

LOOK_S = 0.5
QUIET_S = 5.0  # a log that its ended run has not sealed: nothing more is to come
PIECE_BYTES = 1 << 20


class Shown:
    """Bytes as a person may see them: control characters made visible, what is no text replaced."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def write(self, piece: bytes) -> None:
        self._out.write(plain(self._decoder.decode(piece), keep_lines=True))

    def flush(self) -> None:
        self._out.flush()


class Fetch:
    """One log of one run; `attempt` 0 is the latest that has it."""

    def __init__(self, reading: Reading, run_id: str, stream: str, *, attempt: int = 0) -> None:
        self._reading = reading
        self._run = f"/v1/runs/{quote(run_id, safe='')}"
        self._path = f"{self._run}/logs/{quote(stream, safe='')}"
        self._attempt = attempt
        self._digest = hashlib.sha256()
        self._at = 0
        self._grew_at = time.monotonic()

    def into(self, file: Path, *, follow: bool, screen: Screen) -> dict[str, Any]:
        """Everything into the file, behind what it has; what became of it."""
        with bar(file.name, screen, unit="bytes") as told, opened(file) as out:
            self._state()
            while piece := out.read(PIECE_BYTES):
                self._count(piece)
            out.seek(0, os.SEEK_END)
            return {"file": str(file), **self._fetch(out, told, follow=follow)}

    def to_stdout(self, *, follow: bool) -> dict[str, Any]:
        """Everything to standard output, as it is; on a terminal nothing that would drive it (S29)."""
        out: IO[bytes] | Shown = Shown(sys.stdout) if sys.stdout.isatty() else sys.stdout.buffer
        self._state()
        try:
            return self._fetch(out, lambda _: None, follow=follow)
        finally:
            out.flush()

    def _fetch(self, out: IO[bytes] | Shown, told: Callable[[int], None], *, follow: bool) -> dict[str, Any]:
        idle = 0
        while True:
            before = self._at
            try:
                state = self._state()
                if state["offset"] < self._at:
                    raise Conflict(f"the file holds more than the log's {state['offset']} bytes", code="LOG_DIFFERS")
                while self._at < state["offset"]:
                    for piece in self._reading.pieces(self._path, self._query(), first=self._at):
                        out.write(piece)
                        self._count(piece)
                        told(self._at)
            except Unavailable:
                idle = 0 if self._at > before else idle + 1
                if idle >= TRIES:
                    raise
                time.sleep(PAUSE_S)
                continue
            idle = 0
            if state["sealed"] or not follow or self._is_over(grew=self._at > before):
                return self._checked(state)
            out.flush()
            time.sleep(LOOK_S)

    def _checked(self, state: dict[str, Any]) -> dict[str, Any]:
        if state["sealed"] and state["sha256"] != self._digest.hexdigest():
            raise Conflict("what was fetched has another checksum than the log", code="CHECKSUM_MISMATCH")
        return {"bytes": self._at, "attempt": state["attempt"], "sealed": state["sealed"], "sha256": state["sha256"]}

    def _is_over(self, *, grew: bool) -> bool:
        """Whether an unsealed log has had time enough since it grew, and its run has ended."""
        now = time.monotonic()
        if grew:
            self._grew_at = now
        return now - self._grew_at > QUIET_S and self._reading.page(self._run, {})["status"] in ENDED

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = self._reading.page(self._path, {**self._query(), "meta": "true"})
        self._attempt = state["attempt"]  # a later attempt's log is another one
        return state

    def _query(self) -> dict[str, Any]:
        return {"attempt": self._attempt or ""}

    def _count(self, piece: bytes) -> None:
        self._digest.update(piece)
        self._at += len(piece)
