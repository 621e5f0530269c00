"""Finds and kills the whole family of a task process, however its members hid.

Task processes and the link process adopt orphans, so every descendant stays below its task process while that
lives and comes to the link process when it has died; a double fork or a new session changes nothing. The
members are stopped before they are killed: a process that forks faster than it is found cannot run away.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Collection, Iterable
from dataclasses import dataclass

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
ROUNDS = 20
_OUR_PROC = "/proc"


@dataclass(frozen=True, slots=True)
class Process:
    """One row of the process table."""

    pid: int
    parent_pid: int
    is_zombie: bool
    resident_bytes: int


def table() -> dict[int, Process]:
    """Every process that can be seen, by pid."""
    rows = (row(int(name)) for name in os.listdir(_OUR_PROC) if name.isdigit())
    return {found.pid: found for found in rows if found is not None}


def row(pid: int) -> Process | None:
    """One process; None when it has gone."""
    try:
        with open(f"{_OUR_PROC}/{pid}/stat", "rb") as stat:
            text = stat.read()
    except OSError:
        return None
    fields = text[text.rindex(b")") + 2 :].split()
    return Process(pid, int(fields[1]), fields[0] in (b"Z", b"X"), int(fields[21]) * PAGE_BYTES)


def descendants(roots: Iterable[int], processes: dict[int, Process]) -> set[int]:
    """The pids below `roots`, without them."""
    children: dict[int, list[int]] = {}
    for process in processes.values():
        children.setdefault(process.parent_pid, []).append(process.pid)
    found: set[int] = set()
    pending = list(roots)
    while pending:
        fresh = [pid for pid in children.get(pending.pop(), ()) if pid not in found]
        found.update(fresh)
        pending += fresh
    return found


def orphans(known: Collection[int], processes: dict[int, Process], *, mark: str = "") -> set[int]:
    """Our own children that we did not start: what dead task processes left behind, with everything below.

    With `mark` only those whose environment holds it, for a process that has other children of its own.
    """
    own = os.getpid()
    roots = {
        process.pid
        for process in processes.values()
        if process.parent_pid == own and process.pid not in known and (not mark or carries(process.pid, mark))
    }
    return roots | descendants(roots, processes)


def carries(pid: int, mark: str) -> bool:
    """Whether a process was started with this text in its environment."""
    try:
        with open(f"{_OUR_PROC}/{pid}/environ", "rb") as environment:
            return mark.encode() in environment.read().split(b"\0")
    except OSError:
        return False


def kill_family(pid: int | None, known: Collection[int], *, also: Collection[int] = (), mark: str = "") -> int:
    """SIGKILL a task process, everything below it and every orphan; returns how many were still alive.

    `known` are the task processes that live on, `also` pids known from elsewhere (a cgroup); `mark` as for
    `orphans`. Call again until the answer is 0: what is being born meanwhile is seen the next time. Dead
    orphans are buried.
    """
    stopped: set[int] = set()
    family: set[int] = set()
    if pid is not None:
        _signal_group(pid, signal.SIGSTOP)  # nobody leaves the family while it is being counted
    for _ in range(ROUNDS):
        processes = table()
        family = orphans({*known, pid or 0}, processes, mark=mark) | {*also}
        if pid is not None:
            family |= {pid} | descendants([pid], processes)
        family -= {*known, os.getpid()}
        alive = {member for member in family if member in processes and not processes[member].is_zombie}
        _bury(family - alive, processes, not_ours=pid)
        if alive <= stopped:
            family = alive
            break
        for member in alive - stopped:
            _signal(member, signal.SIGSTOP)
        stopped |= alive
        family = alive
    if pid is not None:
        _signal_group(pid, signal.SIGKILL)
    for member in family:
        _signal(member, signal.SIGKILL)
    return len(family)


def resident_bytes(pid: int) -> int:
    """Memory of a process and of everything below it."""
    processes = table()
    family = {pid} | descendants([pid], processes)
    return sum(processes[member].resident_bytes for member in family if member in processes)


def process_count_of_user(user_id: int) -> int:
    """How many threads this user has: what RLIMIT_NPROC counts."""
    count = 0
    for name in os.listdir(_OUR_PROC):
        if name.isdigit():
            with contextlib.suppress(OSError):
                if os.stat(f"{_OUR_PROC}/{name}").st_uid == user_id:
                    count += len(os.listdir(f"{_OUR_PROC}/{name}/task"))
    return count


def _bury(dead: Iterable[int], processes: dict[int, Process], *, not_ours: int | None) -> None:
    """Collect zombies among our adopted children; the task process itself is its slot's to collect."""
    own = os.getpid()
    for pid in dead:
        if pid in processes and processes[pid].parent_pid == own and pid != not_ours:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
