"""Where a worker keeps its state, and who it is.

A named worker has a folder of its own. One without a name takes the first folder that no other worker on this
machine holds, and the id it finds or makes there, so that it is the same worker after a restart.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from taskgate.errors import StoreError
from taskgate.ids import is_worker_id
from taskgate.worker.settings import WorkerSettings

FOLDER = ".taskgate"
MOST_WORKERS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A worker's folder, held as long as `lock_fd` is open."""

    folder: Path
    worker_id: str
    lock_fd: int


def take_home(settings: WorkerSettings) -> Home:
    """Take the worker's folder. StoreError STATE_IN_USE: another worker has it; or it cannot be made."""
    if settings.state_dir:
        return _take(Path(settings.state_dir), settings)
    if settings.name:
        return _take(Path(FOLDER) / f"worker-{re.sub(r'[^A-Za-z0-9_.-]', '_', settings.name)}", settings)
    for number in range(1, MOST_WORKERS):
        try:
            return _take(Path(FOLDER) / (f"worker-{number}" if number > 1 else "worker"), settings)
        except StoreError as error:
            if error.code != "STATE_IN_USE":
                raise
    raise StoreError(f"{MOST_WORKERS} workers hold folders below {FOLDER}", code="STATE_IN_USE")


def _take(folder: Path, settings: WorkerSettings) -> Home:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock_fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(
            f"the state folder {folder} cannot be used: {error.strerror}", code="STATE_UNUSABLE"
        ) from error
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock_fd)
        raise StoreError(f"{folder} is in use by another worker", code="STATE_IN_USE") from None
    return Home(folder=folder, worker_id=settings.name or _kept_id(folder / "id"), lock_fd=lock_fd)


def _kept_id(file: Path) -> str:
    kept = file.read_text().strip() if file.exists() else ""
    if is_worker_id(kept):
        return kept
    host = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:64].strip("-.") or "worker"
    made = f"{host}-{secrets.token_hex(4)}"
    file.write_text(made + "\n")
    return made
