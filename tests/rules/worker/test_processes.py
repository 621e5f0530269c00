"""Who belongs to whom in the process table."""

from __future__ import annotations

import os

from taskgate.worker.processes import Process, descendants, orphans, resident_bytes, row, table

OWN = os.getpid()


def rows(*pairs: tuple[int, int]) -> dict[int, Process]:
    return {pid: Process(pid, parent_pid, False, 0) for pid, parent_pid in pairs}


def test_everything_below() -> None:
    processes = rows((1, 0), (10, 1), (11, 10), (12, 11), (20, 1), (21, 20))
    assert descendants([10], processes) == {11, 12}
    assert descendants([10, 20], processes) == {11, 12, 21}
    assert descendants([12], processes) == set()


def test_a_circle_in_a_torn_table_ends() -> None:
    assert descendants([1], rows((1, 2), (2, 1))) == {1, 2}


def test_orphans_are_our_children_that_nobody_started() -> None:
    processes = rows((OWN, 1), (50, OWN), (51, 50), (60, OWN), (61, 60), (70, 1))
    assert orphans({50}, processes) == {60, 61}
    assert orphans({50}, processes, mark="TASKGATE=absent") == set()


def test_the_real_table_holds_us() -> None:
    found = table()[OWN]
    assert found.parent_pid == os.getppid()
    assert not found.is_zombie
    assert 1 << 20 < found.resident_bytes <= resident_bytes(OWN)
    assert row(2**22 + 1) is None
