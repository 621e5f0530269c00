"""Speaks with a driver process (`driving/loop.py`): one command, one answer, and a deadline for each."""

from __future__ import annotations

import json
import os
import select
import time
from typing import Any

from benchmarks.processes import Process, Trouble


class Driver:
    """The caller's process of one system."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._text = b""

    def once(self, count: int, *, timeout_s: float = 60.0) -> list[float]:
        """Round trips one at a time; seconds each."""
        return list(self.ask({"do": "once", "count": count}, timeout_s=timeout_s)["trips_s"])

    def bulk(self, count: int, *, timeout_s: float = 120.0) -> tuple[float, float]:
        """Submit `count`, collect every result; seconds of submitting and of the whole."""
        told = self.ask({"do": "bulk", "count": count}, timeout_s=timeout_s)
        return float(told["submit_s"]), float(told["total_s"])

    def ask(self, command: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        """Send any command; Trouble when the driver ends or stays silent."""
        self.tell(command)
        return self.answer(command["do"], timeout_s=timeout_s)

    def tell(self, command: dict[str, Any]) -> None:
        """Send a command and do not wait: several drivers work at once."""
        pipe, what = self.process.popen.stdin, command["do"]
        assert pipe is not None
        try:
            pipe.write(json.dumps(command).encode() + b"\n")
            pipe.flush()
        except BrokenPipeError:
            raise self._ended(what) from None

    def answer(self, what: str, *, timeout_s: float) -> dict[str, Any]:
        """The answer to the command that was told last."""
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._text:
            self._read(what, deadline)
        line, _, self._text = self._text.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    def _read(self, what: str, deadline: float) -> None:
        pipe = self.process.popen.stdout
        assert pipe is not None
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise Trouble(f"no answer to {what!r} in time: {self.process.last_words(2)}")
        piece = os.read(pipe.fileno(), 1 << 20)
        if not piece:
            raise self._ended(what)
        self._text += piece

    def _ended(self, what: str) -> Trouble:
        self.process.popen.wait(5)
        return Trouble(f"the driver ended during {what!r}: {self.process.last_words(2)}")
