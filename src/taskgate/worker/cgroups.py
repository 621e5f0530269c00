"""Cages: a control group per task process, where this machine lets us make one.

A cage bounds memory and the number of processes, names every process in it and tells when the kernel killed
for memory. Version 1 and version 2 are both used as they are found; where nothing may be written there is no
cage, and the limits fall back on watching and on resource limits. Strangers' processes are never moved.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

PREFIX = "taskgate-"
CONTROLLERS = ("memory", "pids")
ABANDONED_S = 600.0  # another worker's cage is empty for a moment while it is being made
LINK_LEAF = "taskgate.link"


class Cage:
    """The control groups of one task process: one folder per controller, the same one under version 2."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self._folders = folders
        for folder in self._all():
            folder.mkdir(exist_ok=True)
        self._oom_kills = self._count_oom_kills()
        self._memory_bytes: int | None = None

    def add(self, pid: int) -> None:
        """Move a process in; what it starts later is inside too."""
        for folder in self._all():
            _write(folder / "cgroup.procs", str(pid))

    def limit(self, *, memory_bytes: int | None, process_count: int | None = None) -> bool:
        """Set the bounds; False when memory is not bounded here, so that somebody must watch it."""
        if process_count is not None and "pids" in self._folders:
            _write(self._folders["pids"] / "pids.max", str(process_count))
        folder = self._folders.get("memory")
        if folder is None:
            return False
        if memory_bytes == self._memory_bytes:
            return True
        text = "" if memory_bytes is None else str(memory_bytes)
        if (folder / "memory.max").exists():
            is_set = _write(folder / "memory.max", text or "max")
        else:
            is_set = _write(folder / "memory.limit_in_bytes", text or "-1")
        self._memory_bytes = memory_bytes if is_set else -1
        return is_set

    def was_oom(self) -> bool:
        """Whether the kernel killed in here for memory since this was last asked."""
        before, self._oom_kills = self._oom_kills, self._count_oom_kills()
        return self._oom_kills > before

    def pids(self) -> set[int]:
        """Every process inside."""
        found: set[int] = set()
        for folder in self._all():
            with contextlib.suppress(OSError):
                found.update(int(line) for line in (folder / "cgroup.procs").read_text().split())
        return found

    def remove(self) -> None:
        """Take the folders away; the processes must have gone."""
        for folder in self._all():
            for _ in range(20):  # the kernel lets go of a dead process's group a moment after its parent knows
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.001)
                else:
                    break

    def _all(self) -> list[Path]:
        return list(dict.fromkeys(self._folders.values()))

    def _count_oom_kills(self) -> int:
        folder = self._folders.get("memory")
        if folder is None:
            return 0
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(OSError):
                for line in (folder / name).read_text().splitlines():
                    key, _, count = line.partition(" ")
                    if key == "oom_kill":
                        return int(count)
        return 0


class CageYard:
    """Where cages may be made on this machine. Empty `places`: nowhere."""

    def __init__(self, places: dict[str, Path]) -> None:
        self.places = places

    def make(self, name: str) -> Cage | None:
        """A fresh cage, or None where that is not possible."""
        if not self.places:
            return None
        try:
            return Cage({controller: folder / f"{PREFIX}{name}" for controller, folder in self.places.items()})
        except OSError:
            return None

    def sweep(self, nonce: str) -> None:
        """Remove empty cages that killed processes left: those of this nonce, and any that are long abandoned."""
        for folder in dict.fromkeys(self.places.values()):
            for old in folder.glob(f"{PREFIX}*"):
                with contextlib.suppress(OSError):
                    is_ours = old.name.startswith(f"{PREFIX}{nonce}-")
                    if is_ours or time.time() - old.stat().st_mtime > ABANDONED_S:
                        old.rmdir()


def find_yard(proc: Path = Path("/proc/self")) -> CageYard:
    """Look at our own control groups and keep those below which we may make more."""
    try:
        membership = (proc / "cgroup").read_text()
        mounts = (proc / "mountinfo").read_text()
    except OSError:
        return CageYard({})
    own = {controller: path for line in membership.splitlines() for controller, path in _membership(line)}
    places: dict[str, Path] = {}
    for root, mount, kind, options in _mounts(mounts):
        for controller in CONTROLLERS if kind == "cgroup2" else set(CONTROLLERS) & options:
            folder = _below(mount, root, own.get("" if kind == "cgroup2" else controller))
            is_usable = folder is not None and (_opened(folder, controller) if kind == "cgroup2" else _writable(folder))
            if folder is not None and is_usable:
                places.setdefault(controller, folder)
    return CageYard(places)


def _membership(line: str) -> Iterator[tuple[str, str]]:
    """`4:memory:/a` gives ("memory", "/a"); version 2's `0::/a` gives ("", "/a")."""
    _, controllers, path = line.split(":", 2)
    yield from ((controller, path) for controller in controllers.split(","))


def _mounts(text: str) -> Iterator[tuple[str, Path, str, set[str]]]:
    """(root, mount point, kind, options) of every control group file system."""
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            root, mount = left.split(" ")[3:5]
            yield root, Path(mount), kind, set(options.split(","))


def _below(mount: Path, root: str, path: str | None) -> Path | None:
    """Our group as a folder, when this mount shows it."""
    if path is None or not (root == "/" or path == root or path.startswith(f"{root}/")):
        return None
    folder = mount / os.path.relpath(path.removesuffix(f"/{LINK_LEAF}") or "/", root)
    return folder if folder.is_dir() else None


def _writable(folder: Path) -> bool:
    """Try it: permission bits say little about a control group that is delegated or mounted read-only."""
    probe = folder / f"{PREFIX}probe-{os.getpid()}"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError:
        return False
    return True


def _opened(folder: Path, controller: str) -> bool:
    """Version 2: hand the controller on to groups below ours, where only we and our supervisor live."""
    try:
        if controller not in (folder / "cgroup.controllers").read_text().split():
            return False
        if controller in (folder / "cgroup.subtree_control").read_text().split():
            return _writable(folder)
        members = {int(line) for line in (folder / "cgroup.procs").read_text().split()}
        if not members <= {os.getpid(), os.getppid()}:
            return False
        leaf = folder / LINK_LEAF
        leaf.mkdir(exist_ok=True)
        for pid in members:
            (leaf / "cgroup.procs").write_text(str(pid))
        (folder / "cgroup.subtree_control").write_text(f"+{controller}")
    except OSError:
        return False
    return _writable(folder)


def _write(file: Path, text: str) -> bool:
    try:
        file.write_text(text)
    except OSError:
        return False
    return True
