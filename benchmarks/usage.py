"""What a tree of processes costs: CPU seconds and memory, read from /proc.

CPU counts children that have already ended (a parent inherits their times when it reaps them), so the
difference of two readings is complete. Memory is the proportional set size: pages that a parent shares with
its forks are counted once, not once per process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
STARTED_FIELD = 19  # of what follows the command's closing parenthesis in /proc/PID/stat


def stat_fields(pid: int | str) -> list[str]:
    """The fields of /proc/PID/stat after the command, `state` first; empty when it is gone.

    A thread of a process is named `PID/task/TID`.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def started(pid: int) -> str:
    """When the process began, as the kernel counts it: with the pid, an identity that is never reused."""
    fields = stat_fields(pid)
    return fields[STARTED_FIELD] if fields and fields[0] != "Z" else ""


def tree(root: int) -> list[int]:
    """The process and everything below it."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found, waiting = list[int](), [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting.extend(children.get(pid, ()))
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := stat_fields(int(name))):
            yield int(name), int(fields[1])


def cpu_s(root: int) -> float:
    """CPU seconds of the tree so far, user and system, ended children included."""
    readings = (stat_fields(pid) for pid in tree(root))
    return sum(sum(map(int, fields[11:15])) for fields in readings if fields) / TICKS_PER_S


def thread_cpu_s(pid: int) -> dict[str, float]:
    """CPU seconds of every living thread of one process, by the thread's id."""
    found = {}
    for thread in os.listdir(f"/proc/{pid}/task"):
        if fields := stat_fields(f"{pid}/task/{thread}"):
            found[thread] = sum(map(int, fields[11:13])) / TICKS_PER_S
    return found


def memory_bytes(root: int) -> int:
    """Memory of the tree now."""
    return sum(_proportional_bytes(pid) for pid in tree(root))


def resident_bytes(pid: int) -> int:
    """Resident memory of one process, shared pages included."""
    return _kilobytes(f"/proc/{pid}/status", "VmRSS:") * 1024


def _proportional_bytes(pid: int) -> int:
    return _kilobytes(f"/proc/{pid}/smaps_rollup", "Pss:") * 1024 or resident_bytes(pid)


def _kilobytes(path: str, name: str) -> int:
    try:
        with open(path, encoding="utf-8") as file:
            return next((int(line.split()[1]) for line in file if line.startswith(name)), 0)
    except OSError:
        return 0
