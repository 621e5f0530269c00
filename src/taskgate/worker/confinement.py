"""What a process does to itself: die with its parent, gain no privileges, stay within limits.

Called by the task process before any code of a task is loaded, and by the two processes above it. Linux;
elsewhere the calls that do not exist are left out and the kill by process group remains.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38


def die_with_parent(parent_pid: int, *, by: signal.Signals = signal.SIGKILL) -> bool:
    """Have the kernel send us `by` when the parent dies; False when it already has."""
    _prctl(_PR_SET_PDEATHSIG, int(by))
    return os.getppid() == parent_pid


def adopt_orphans() -> None:
    """Descendants whose parents die become our children, so that none gets out of sight."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def hide_memory() -> None:
    """Nobody of the same user may read our environment or memory, or attach to us; no core files."""
    _prctl(_PR_SET_DUMPABLE, 0)
    _limit(resource.RLIMIT_CORE, 0)


def confine(*, max_processes: int | None, max_open_files: int | None, nice: int) -> None:
    """The limits of a task process."""
    adopt_orphans()
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _limit(resource.RLIMIT_CORE, 0)
    if max_processes is not None:
        _limit(resource.RLIMIT_NPROC, max_processes)
    if max_open_files is not None:
        _limit(resource.RLIMIT_NOFILE, max_open_files)
    if nice:
        with contextlib.suppress(OSError):
            os.nice(nice)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("500")  # when memory ends, a task goes before the process that reports it


def _limit(kind: int, wanted: int) -> None:
    _, hard = resource.getrlimit(kind)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(kind, (limit, limit))


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
