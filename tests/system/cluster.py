"""Real processes of a taskgate: a gateway that can be killed anywhere, workers, and a caller with a memory.

The caller writes every call and every reply into its own list; that list, not the product's counters, is the
oracle. Everything started here is ended here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp

START_S = 60.0
ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def sources(root: Path) -> dict[str, str]:
    """What makes a process run another version than this one."""
    return {} if root == ROOT else {"PYTHONPATH": str(root / "src")}


class GatewayProcess:
    """`taskgate serve` with failpoints, on a port that stays the same over restarts; of the sources below `root`."""

    def __init__(
        self, folder: Path, *, grpc: bool = False, settings: dict[str, str] | None = None, root: Path = ROOT
    ) -> None:
        self.folder = folder
        self.root = root
        self.port = free_port()
        self.grpc_port = free_port() if grpc else None
        self._settings = settings or {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_key(self) -> str:
        return (self.folder / "admin.key").read_text(encoding="utf-8").strip()

    @property
    def worker_key(self) -> str:
        return (self.folder / "worker.key").read_text(encoding="utf-8").strip()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, failpoint: str = "") -> float:
        """Start it and wait until it answers; returns the seconds that took."""
        began = time.monotonic()
        process = self.launch(failpoint)
        while time.monotonic() - began < START_S:
            if (self.folder / "gateway.json").exists():
                return time.monotonic() - began
            if process.poll() is not None:
                break
            time.sleep(0.01)
        raise AssertionError(f"the gateway did not start: {self.log()[-2000:]}")

    def launch(self, failpoint: str = "") -> subprocess.Popen[bytes]:
        """Start it and wait for nothing."""
        (self.folder / "gateway.json").unlink(missing_ok=True)
        arguments = ["--port", str(self.port), "--data-dir", str(self.folder)]
        if self.grpc_port is not None:
            arguments += ["--grpc-port", str(self.grpc_port)]
        if failpoint:
            arguments += ["--failpoint", failpoint]
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            process = self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.system.gateway_main", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **sources(self.root), **self._settings},
                start_new_session=True,
                cwd=self.root,
            )
        return process

    def log(self) -> str:
        return (self.folder.parent / f"{self.folder.name}.log").read_text(encoding="utf-8", errors="replace")

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def until_dead(self, within_s: float = 30.0) -> None:
        """Wait until a failpoint has killed it."""
        deadline = time.monotonic() + within_s
        while self.is_alive():
            assert time.monotonic() < deadline, "the failpoint was never reached"
            time.sleep(0.01)

    def kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def stop(self, within_s: float = 20.0) -> int:
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(within_s)
        finally:
            self.kill()


class WorkerProcess:
    """`taskgate worker`, its supervisor and everything below it."""

    def __init__(
        self,
        gateway: GatewayProcess,
        name: str,
        *,
        tasks: str,
        slots: int = 2,
        url: str = "",
        key: Path | None = None,
        root: Path | str = ROOT,
        **options: str,
    ) -> None:
        self.name = name
        self._log = gateway.folder.parent / f"{name}.log"
        key = key or gateway.folder / "worker.key"
        arguments = ["worker", "--gateway", url or gateway.url, "--token-file", str(key), "--name", name]
        arguments += ["--tasks", tasks, "--slots", str(slots), "--state-dir", str(gateway.folder.parent / f"{name}.d")]
        for option, value in options.items():
            arguments += [f"--{option.replace('_', '-')}", value]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "taskgate", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **sources(Path(root))},
                start_new_session=True,
                cwd=root,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def children(self, pid: int | None = None) -> list[int]:
        """The direct children of a process, the supervisor when none is named."""
        pid = pid or self.pid
        try:
            return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except FileNotFoundError:
            return []

    def family(self) -> list[int]:
        """The supervisor and everything below it."""
        found, rest = [], [self.pid]
        while rest:
            pid = rest.pop()
            found.append(pid)
            rest += self.children(pid)
        return found

    def link(self) -> int:
        """The link process, 0 while there is none; orphans that the supervisor adopted are not taken for it."""
        return next((pid for pid in self.children() if b"link_process" in _command(pid)), 0)

    def signal_all(self, number: int) -> None:
        for pid in self.family():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        for pid in reversed(self.family()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def stop(self, within_s: float = 20.0) -> int:
        self._process.terminate()
        try:
            return self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


class SimpleWorker:
    """A client that knows only hello, task and task_result: reconnects for ever, echoes its input.

    `done` counts, per run id, how often it did the work: the side effects.
    """

    def __init__(self, gateway: GatewayProcess, name: str, *, task: str = "echo", says_times: int = 1) -> None:
        self._gateway = gateway
        self._name = name
        self._task = task
        self._says_times = says_times
        self.done: dict[str, int] = {}

    async def run(self) -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                    await self._connection(session)
                await asyncio.sleep(0.02)

    async def _connection(self, session: aiohttp.ClientSession) -> None:
        url = f"{self._gateway.url}/ws/workers/{self._name}"
        headers = {"X-API-Key": self._gateway.worker_key}
        async with session.ws_connect(url, headers=headers) as socket_:
            await socket_.send_json({"type": "hello", "worker_id": self._name, "capabilities": [self._task]})
            async for message in socket_:
                frame = json.loads(message.data)
                if frame["type"] == "task":
                    run_id = frame["tracking_id"]
                    self.done[run_id] = self.done.get(run_id, 0) + 1
                    answer = {"type": "task_result", "tracking_id": run_id, "status": "ok", "result": frame["payload"]}
                    for _ in range(self._says_times):
                        await socket_.send_json(answer)


class Caller:
    """Submits with idempotency keys until it has an answer, and remembers everything."""

    def __init__(self, gateway: GatewayProcess, session: aiohttp.ClientSession) -> None:
        self._gateway = gateway
        self._session = session
        self._headers = {"X-API-Key": gateway.admin_key}
        self.accepted: dict[str, set[str]] = {}

    async def submit(self, task: str, key: str, value: Any, *, times: int = 1) -> str:
        """Submit under this key until it is accepted; every accepted answer is noted."""
        url = f"{self._gateway.url}/v1/tasks/{task}/runs"
        headers = {**self._headers, "Idempotency-Key": f'"{key}"'}
        while True:
            try:
                async with self._session.post(url, json={"input": value}, headers=headers) as answer:
                    body = await answer.json()
                    if answer.status == 202:
                        self.accepted.setdefault(key, set()).add(body["id"])
                        times -= 1
                        if times <= 0:
                            return str(body["id"])
                        continue
                    assert answer.status in (404, 503), (answer.status, body)
            except (aiohttp.ClientError, ConnectionError, TimeoutError):
                pass
            await asyncio.sleep(0.02)

    async def run(self, run_id: str) -> dict[str, Any]:
        async with self._session.get(f"{self._gateway.url}/v1/runs/{run_id}", headers=self._headers) as answer:
            assert answer.status == 200, await answer.text()
            body: dict[str, Any] = await answer.json()
            return body

    async def until_ended(self, run_id: str, within_s: float = 40.0) -> dict[str, Any]:
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                body = await self.run(run_id)
                if body["status"] in ("succeeded", "failed", "cancelled", "timed_out"):
                    return body
            await asyncio.sleep(0.05)
        raise AssertionError(f"run {run_id} did not end: {await self.run(run_id)}")
