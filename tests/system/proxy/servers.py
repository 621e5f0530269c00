"""Real servers beside the gateway: nginx as proxy or upstream, and Python's servers that write down what they saw.

A server that is missing is installed by `tools/servers.sh` where that is possible; else the test is skipped by its
name, and in CI (environment variable `CI`) it fails. Everything started here is ended here.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.system.cluster import ROOT, free_port

START_S = 60.0
STOP_S = 5.0
INSTALL_S = 300.0
SEEN = '{"method":"$request_method","target":"$request_uri","vector":"$http_x_vector"}'


def need(name: str) -> str:
    """The program's path; installed when it can be, else a skip by name (in CI a failure)."""
    found = shutil.which(name)
    if found is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run([ROOT / "tools" / "servers.sh", name], check=False, capture_output=True, timeout=INSTALL_S)
        found = shutil.which(name)
    if found is None:
        reason = f"{name} is not installed, and could not be"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


class ServerProcess:
    """A command that listens on a port; waited for at the start, ended with everything below it."""

    def __init__(
        self, command: Sequence[str | Path], *, port: int, log: Path, settings: Mapping[str, str] | None = None
    ) -> None:
        self.port = port
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **(settings or {})},
                start_new_session=True,
                cwd=ROOT,
            )
        self._until_listening()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _until_listening(self) -> None:
        deadline = time.monotonic() + START_S
        while not listens(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"did not start: {self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """SIGTERM, then SIGKILL to the whole group."""
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def listens(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


class Witness:
    """An upstream that writes every request which it saw as one JSON line: the oracle of what came through."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.file = folder / f"{kind}.seen"
        self.file.touch()
        port = free_port()
        log = folder / f"{kind}.log"
        if kind == "nginx":
            command = nginx_command(folder / "nginx-witness", port=port, seen=self.file)
        else:
            command = [sys.executable, "-m", "tests.system.proxy.witness_main", kind, str(port), str(self.file)]
        self.server = ServerProcess(command, port=port, log=log)
        self.port = port

    def seen(self) -> list[dict[str, Any]]:
        """Each request: `method`, `target`, `vector` (the header X-Vector)."""
        return [json.loads(line) for line in self.file.read_text(encoding="utf-8").splitlines()]


def nginx_command(
    folder: Path, *, port: int, to: int | None = None, seen: Path | None = None, prefix: str = "/"
) -> list[str]:
    """nginx on `port`: a proxy to the port `to` below `prefix`, or a server that answers 200 to everything."""
    program = need("nginx")
    folder.mkdir(parents=True, exist_ok=True)
    if to is None:
        inside = 'location / { default_type text/plain; return 200 "seen"; }'
    else:
        inside = (
            f"location {prefix} {{ proxy_pass http://127.0.0.1:{to}$raw; proxy_http_version 1.1; proxy_redirect off;"
            ' proxy_set_header Connection ""; proxy_set_header X-Forwarded-For $remote_addr;'
            " proxy_request_buffering off; proxy_buffering off; proxy_read_timeout 20s; }"
        )
    log = f"access_log {seen} seen;" if seen else "access_log off;"
    places = " ".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(
        f"{user} worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;\n"
        "events { worker_connections 4096; }\n"
        "http {\n"
        f"log_format seen escape=json '{SEEN}';\n"
        f"map $request_uri $raw {{ ~^{prefix.rstrip('/')}(?<rest>/.*)$ $rest; }}\n"
        f"{log} {places} client_max_body_size 0; keepalive_timeout 75s;\n"
        f"server {{ listen 127.0.0.1:{port} backlog=4096; {inside} }}\n"
        "}\n",
        encoding="utf-8",
    )
    return [program, "-p", str(folder), "-c", str(config), "-e", f"{folder}/error.log"]


@contextlib.contextmanager
def running(*servers: ServerProcess | Witness) -> Iterator[None]:
    """End them when the block is left."""
    try:
        yield
    finally:
        for server in servers:
            (server.server if isinstance(server, Witness) else server).stop()
