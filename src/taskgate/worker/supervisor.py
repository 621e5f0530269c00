"""The supervisor: starts the link process, starts it again when it dies, and hands on the wish to stop.

It is small so that it does not fail: it knows no protocol, runs no event loop and loads nothing heavy.

    STARTING  the link process is on its way           its end → TIDYING
    WORKING   it runs                                  its end → TIDYING, a signal → LEAVING
    TIDYING   every process that it left is killed     then STARTING again, sooner or later
    LEAVING   it was asked to stop                     its end → TIDYING, then our own end

Who may move it: the kernel (a child's end), the operator (SIGTERM, SIGINT, SIGHUP). The first signal asks the link
process to drain, the second to leave at once, the third kills it. Exit code 0 of the link process, or EXIT_FATAL,
end the supervisor as well: it was asked to, or starting again would not help.

Races. A signal between two starts: LEAVING without a link process is the end at once. A link process that dies
while it drains is not started again: what it had not delivered lies on disk for the next start.

A crash at each point. Link process killed: its task processes are killed by the kernel (parent-death signal),
their orphans come to us (we adopt) and are killed before the next link process says hello; so when the gateway
hears of the new instance and gives the old one's runs to others, nothing of them is running here (INV-F4). Results
that lie on disk are told by the next one. Supervisor killed: the kernel asks the link process to stop, which ends
everything at once. Both killed at the same moment: the next start kills what carries this folder's mark.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path

from taskgate.errors import TaskgateError
from taskgate.worker.confinement import adopt_orphans, hide_memory
from taskgate.worker.logs import log_to_stderr
from taskgate.worker.naming import Home, take_home
from taskgate.worker.order import EXIT_FATAL, write_order
from taskgate.worker.processes import carries, descendants, kill_family, table
from taskgate.worker.settings import WorkerSettings
from taskgate.worker.spawning import NONCE, identity

SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
AGAIN_S = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
STEADY_S = 30.0  # a link process that lived this long failed by accident
TIDY_S = 10.0
CREDENTIALS = frozenset({"TASKGATE_API_KEY", "TASKGATE_TOKEN"})
_log = logging.getLogger(__name__)


def run_worker(settings: WorkerSettings) -> int:
    """Be a worker until asked to stop: 0 when that is what happened, 1 when it cannot work. Main thread only."""
    log_to_stderr(settings)
    try:
        identity(settings)
        home = take_home(settings)
    except TaskgateError as error:
        _log.error("%s", error.detail)
        return 1
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*SIGNALS, signal.SIGCHLD})
    try:
        hide_memory()
        adopt_orphans()
        return Supervisor(settings, home).run()
    finally:
        os.close(home.lock_fd)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Supervisor:
    """One worker's link process, over its lives."""

    def __init__(self, settings: WorkerSettings, home: Home) -> None:
        self._settings = settings
        self._home = home
        self._nonce = self._fresh_nonce()
        self._strangers = {row.pid for row in table().values() if row.parent_pid == os.getpid()}
        self._asked_count = 0

    def run(self) -> int:
        """Until the link process ends for good; returns our own exit code."""
        failed_count = 0
        while True:
            started_at = time.monotonic()
            status = self._live(self._start())
            self._tidy()
            if status in (0, EXIT_FATAL):
                return 1 if status else 0
            if self._asked_count:
                return 0 if self._asked_count > 1 else 1
            failed_count = 1 if time.monotonic() - started_at > STEADY_S else failed_count + 1
            delay_s = AGAIN_S[min(failed_count - 1, len(AGAIN_S) - 1)]
            _log.error("the link process ended with %d; starting it again in %g s", status, delay_s)
            if delay_s and _heard(SIGNALS, delay_s) in SIGNALS:
                return 0

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "taskgate.worker.link_process"],
            stdin=subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if name not in CREDENTIALS},
            start_new_session=True,  # Ctrl-C in a terminal is ours to hear, and to hand on once
        )
        assert process.stdin is not None
        order = write_order(
            self._settings,
            worker_id=self._home.worker_id,
            folder=str(self._home.folder),
            nonce=self._nonce,
            supervisor_pid=os.getpid(),
        )
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(order)
        return process

    def _live(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for its end and hand on signals; its exit status, negative for a signal."""
        while (status := process.poll()) is None:
            if _heard({*SIGNALS, signal.SIGCHLD}, 5.0) not in SIGNALS:
                self._collect(process.pid)
                continue
            self._asked_count += 1
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM if self._asked_count < 3 else signal.SIGKILL)
        return status

    def _collect(self, link_pid: int) -> None:
        """Bury orphans that have died; the link process is `poll`'s to collect."""
        for row in table().values():
            if row.is_zombie and row.parent_pid == os.getpid() and row.pid not in {link_pid, *self._strangers}:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(row.pid, os.WNOHANG)

    def _tidy(self) -> None:
        """Kill everything that the link process left."""
        give_up_at = time.monotonic() + TIDY_S
        while kill_family(None, self._strangers):
            if time.monotonic() > give_up_at:
                _log.error("processes of tasks do not die; going on without them")
                return
            time.sleep(0.005)

    def _fresh_nonce(self) -> str:
        """A new mark for our task processes, after killing what still carries the last one."""
        file = Path(self._home.folder) / "mark"
        last = file.read_text().strip() if file.exists() else ""
        if last:
            rows = table()
            roots = {pid for pid in rows if carries(pid, f"{NONCE}={last}")}
            for pid in roots | descendants(roots, rows):
                _log.warning("process %d is left from an earlier life of this worker and is killed", pid)
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
        nonce = secrets.token_hex(8)
        file.write_text(nonce + "\n")
        return nonce


def _heard(signals: Collection[int], within_s: float) -> int:
    """The signal that came, 0 for none. After a SIGSTOP longer than the wait CPython answers with a made-up number."""
    found = signal.sigtimedwait(signals, within_s)
    return 0 if found is None else found.si_signo
