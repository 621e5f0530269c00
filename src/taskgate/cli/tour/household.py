"""The processes that `taskgate up` starts: gateway, math service, workers. Each logs into a file of its own.

Every process gets a session of its own, so that Ctrl-C reaches only `up`, which ends them in order: workers
drain and the service withdraws first, then the gateway. What does not end in time is killed with all its descendants.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from taskgate.errors import Unavailable

START_S = 30.0
END_S = 15.0


class Household:
    """A gateway and its workers under one roof. `close` ends them all; safe to call twice."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        module: str = "taskgate",
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start `python -m MODULE ARGUMENTS` under this name; its output goes to `logs/NAME.log`."""
        folder = self.data_dir / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )

    def await_gateway(self) -> dict[str, Any]:
        """What `gateway.json` says once the gateway answers; Unavailable with the log's last line when it does not."""
        path = self.data_dir / "gateway.json"
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            pid = self._processes["gateway"].pid
            with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
                address: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
                if address.get("pid") == pid:
                    return address
            if self._processes["gateway"].poll() is not None:
                break
            time.sleep(0.02)
        raise Unavailable(f"the gateway did not start: {self.last_words('gateway')}", code="GATEWAY_DID_NOT_START")

    def last_words(self, name: str) -> str:
        """The last line of a process's log."""
        text = (self.data_dir / "logs" / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        lines = [line for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else "it said nothing"

    def kill_link(self, name: str) -> int:
        """Kill -9 the link process of a worker (its supervisor lives on); returns the killed process's id."""
        supervisor = self._processes[name].pid
        children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text(encoding="ascii").split()
        link = next(int(pid) for pid in children if b"link_process" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(link, signal.SIGKILL)
        return link

    def ended(self) -> str | None:
        """The name of a process that ended by itself, None while all live."""
        return next((name for name in self._processes if self.has_ended(name)), None)

    def has_ended(self, name: str) -> bool:
        return self._processes[name].poll() is not None

    def close(self) -> None:
        """End everything else, then the gateway."""
        names = sorted(self._processes, key=lambda name: name == "gateway")
        for group in ([name for name in names if name != "gateway"], ["gateway"]):
            processes = [self._processes.pop(name) for name in group if name in self._processes]
            for process in processes:
                _signal(process, signal.SIGTERM)
            deadline = time.monotonic() + END_S
            for process in processes:
                try:
                    process.wait(max(deadline - time.monotonic(), 0.1))
                except subprocess.TimeoutExpired:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)
