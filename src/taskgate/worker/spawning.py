"""Starts a task process: its environment, its descriptors, its cage.

The environment is made from a short list, never inherited: no credential of this worker or of anybody else
comes through. Nothing runs between fork and exec, so other threads of this process do no harm.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from taskgate.errors import InvalidInput
from taskgate.worker.cgroups import Cage
from taskgate.worker.frames import Setup, pack
from taskgate.worker.processes import process_count_of_user
from taskgate.worker.settings import WorkerSettings
from taskgate.worker.tails import Tail

PASSED = (
    "HOME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "PYTHONPATH",
    "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV",
)  # fmt: skip
NONCE = "TASKGATE_TASK_PROCESS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A started task process and our ends of everything it shares with us."""

    process: subprocess.Popen[bytes]
    sock: socket.socket
    ticket_fd: int
    pid_fd: int
    out: Tail
    err: Tail
    cage: Cage | None

    def close(self) -> None:
        """Give everything back; the process has gone."""
        self.sock.close()
        for fd in (self.ticket_fd, self.pid_fd):
            with contextlib.suppress(OSError):
                os.close(fd)
        self.out.close()
        self.err.close()
        if self.cage is not None:
            self.cage.remove()


def clean_environment(settings: WorkerSettings, nonce: str) -> dict[str, str]:
    """What a task process sees of our environment."""
    names = (*PASSED, *settings.pass_env)
    environment = {name: os.environ[name] for name in names if name in os.environ}
    environment["PYTHONUNBUFFERED"] = "1"
    environment[NONCE] = nonce
    if settings.run_as:
        user = pwd.getpwnam(settings.run_as)
        environment |= {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name}
    return environment


def identity(settings: WorkerSettings) -> dict[str, Any]:
    """As whom task processes run, as arguments of Popen. InvalidInput when that is not possible."""
    if not settings.run_as:
        return {}
    try:
        user = pwd.getpwnam(settings.run_as)
    except KeyError:
        raise InvalidInput(f"run_as: there is no user {settings.run_as!r}", code="SETTINGS_INVALID") from None
    if os.geteuid() not in (0, user.pw_uid):
        raise InvalidInput("run_as: only root may start task processes as another user", code="SETTINGS_INVALID")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}


def spawn(settings: WorkerSettings, cage: Cage | None, *, nonce: str) -> Child:
    """Start one; it answers `Loaded` when its modules are there. OSError when the machine has no room."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    ticket_fd = os.eventfd(0, os.EFD_SEMAPHORE | os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    out, err = Tail("stdout"), Tail("stderr")
    try:
        descriptors = (theirs.fileno(), ticket_fd)
        command = [sys.executable, "-P", "-m", "taskgate.worker.child", *map(str, descriptors), str(os.getpid())]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out.fd,
            stderr=err.fd,
            env=clean_environment(settings, nonce),
            pass_fds=descriptors,
            start_new_session=True,
            umask=0o077 if settings.run_as else -1,
            **identity(settings),
        )
    except BaseException:
        ours.close()
        os.close(ticket_fd)
        out.close()
        err.close()
        raise
    finally:
        theirs.close()
    if cage is not None:
        cage.limit(memory_bytes=None, process_count=settings.max_processes)
        cage.add(process.pid)
    ours.sendall(pack(_setup(settings)))
    ours.setblocking(False)
    pid_fd = os.pidfd_open(process.pid)
    return Child(process=process, sock=ours, ticket_fd=ticket_fd, pid_fd=pid_fd, out=out, err=err, cage=cage)


def _setup(settings: WorkerSettings) -> Setup:
    user_id = pwd.getpwnam(settings.run_as).pw_uid if settings.run_as else os.getuid()
    # the kernel counts per user and not per process, so what the user has already comes on top
    room = None if user_id == 0 else settings.max_processes + process_count_of_user(user_id)
    return Setup(
        tasks=list(settings.tasks),
        paths=[*settings.python_path, os.getcwd()],
        max_processes=room,
        max_open_files=settings.max_open_files,
        nice=settings.nice,
    )
