"""One line about the machine: figures mean nothing without it, and durable ones nothing without its disk."""

from __future__ import annotations

import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path

PROBE_S = 0.3
BLOCK = b"x" * 4096


def machine_line(folder: Path) -> str:
    """Cores, interpreter, disk and date. The disk's figure is what a commit costs at least."""
    system = f"{platform.system()} {platform.release()}"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    disk = f"disk {syncs_per_s(folder):,.0f} fdatasync/s of 4 KiB"
    load = f"load before {os.getloadavg()[0]:.1f}"
    moment = datetime.now(tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{len(os.sched_getaffinity(0))} cores ({_model()}), {system}, {python}, {disk}, {load}, {moment}"


def _model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def syncs_per_s(folder: Path) -> float:
    """How often 4 KiB reach the disk in a second when each waits for the one before."""
    file = folder / "probe"
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY, 0o600)
    count, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < PROBE_S:
        os.write(descriptor, BLOCK)
        os.fdatasync(descriptor)
        count += 1
    elapsed_s = time.perf_counter() - begun
    os.close(descriptor)
    file.unlink()
    return count / elapsed_s
