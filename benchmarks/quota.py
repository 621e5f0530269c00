"""Holds processes to a share of a core by cgroup quotas, so that they alone are short of time.

On two cores a second process cannot show what it gains: whoever loads it needs a core too. Under a quota it can.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from benchmarks.usage import stat_fields

GROUPS = Path("/sys/fs/cgroup/cpu")
PERIOD_US = 20_000
SHARE = 0.25
CANNOT_HOLD = "not measured: no writable cgroup of version 1 for CPU quotas here"


def can_hold() -> bool:
    """Whether this machine lets us set quotas."""
    return os.access(GROUPS / "cgroup.procs", os.W_OK)


@contextlib.contextmanager
def held(pids: list[int]) -> Iterator[None]:
    """Each process in a group of its own, held to `SHARE` of a core; back in the root group behind the block."""
    groups = [GROUPS / f"taskgate-bench-{pid}" for pid in pids]
    try:
        for pid, group in zip(pids, groups, strict=True):
            group.mkdir()
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US), encoding="ascii")
            (group / "cpu.cfs_quota_us").write_text(str(int(PERIOD_US * SHARE)), encoding="ascii")
            (group / "cgroup.procs").write_text(str(pid), encoding="ascii")
        yield
    finally:
        for pid, group in zip(pids, groups, strict=True):
            if stat_fields(pid):
                (GROUPS / "cgroup.procs").write_text(str(pid), encoding="ascii")
            with contextlib.suppress(OSError):
                group.rmdir()
