"""Tasks for the attack row S37: they look for what is not theirs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from taskgate import task


def _read(path: str) -> str:
    try:
        return Path(path).read_bytes().decode(errors="replace")
    except OSError as error:
        return f"refused: {error.strerror}"


def _target(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except FileNotFoundError:
        return "listing"  # the descriptor that the listing itself needed


@task
def snoop() -> dict[str, Any]:
    """Everything in reach where a credential could lie."""
    parent = os.getppid()
    return {
        "environment": dict(os.environ),
        "arguments": _read("/proc/self/cmdline"),
        "parent_environment": _read(f"/proc/{parent}/environ"),
        "parent_arguments": _read(f"/proc/{parent}/cmdline"),
        "status": _read("/proc/self/status"),
        "limits": _read("/proc/self/limits"),
        "oom_score_adj": _read("/proc/self/oom_score_adj").strip(),
        "is_leader": os.getsid(0) == os.getpid(),
        "descriptors": sorted(_target(fd) for fd in os.listdir("/proc/self/fd") if int(fd) > 2),
    }
