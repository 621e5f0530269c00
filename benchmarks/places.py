"""Where a benchmark keeps its things: `.bench/` in the repository, which git ignores.

`.bench/venvs/<name>` holds one environment per peer, made from `benchmarks/peers/<name>/requirements.txt` and
made anew when that file changes. `.bench/run/<number>` holds databases and logs of one run. It lies on the
repository's disk and not in a temporary file system, as a commit that is not really written costs nothing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.processes import Trouble

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".bench"
PEERS = ROOT / "benchmarks" / "peers"
DRIVING = ROOT / "benchmarks" / "driving"
INSTALL_S = 300.0


def run_folder() -> Path:
    """A fresh folder for databases and logs; those of earlier runs are removed."""
    runs = CACHE / "run"
    runs.mkdir(parents=True, exist_ok=True)
    for old in runs.iterdir():
        if not _is_in_use(old):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=runs))
    folder.chmod(0o755)
    return folder


def _is_in_use(folder: Path) -> bool:
    pid = folder.name.partition("-")[0]
    return pid.isdigit() and Path("/proc", pid).exists()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(name: str) -> Path:
    """The `bin` folder of a peer's environment, installed when it is not there yet. Trouble when that fails."""
    wanted = PEERS / name / "requirements.txt"
    if not wanted.exists():
        return Path(sys.executable).parent
    folder = CACHE / "venvs" / name
    mark = folder / "installed"
    digest = hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()
    if not mark.exists() or mark.read_text() != digest:
        install("venv", "--clear", "--python", sys.executable, folder)
        install("pip", "install", "--python", folder / "bin" / "python", "--requirements", wanted)
        mark.write_text(digest)
    return folder / "bin"


def install(*arguments: str | Path) -> None:
    """Run uv with these arguments; Trouble with its last line when it fails."""
    trust = {"UV_SYSTEM_CERTS": os.environ.get("UV_SYSTEM_CERTS", "true")}
    command = [_uv(), *map(str, arguments), "--quiet"]
    try:
        subprocess.run(
            command, env={**os.environ, **trust}, check=True, capture_output=True, text=True, timeout=INSTALL_S
        )
    except subprocess.TimeoutExpired as error:
        raise Trouble(f"installing took longer than {INSTALL_S:.0f} s") from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["no reason given"]
        raise Trouble(f"cannot be installed: {lines[-1].strip()}") from error


def _uv() -> str:
    own = ROOT / ".venv-bootstrap" / "bin" / "uv"
    found = str(own) if own.exists() else shutil.which("uv")
    if found is None:
        raise Trouble("uv is missing; `make setup` brings it")
    return found
