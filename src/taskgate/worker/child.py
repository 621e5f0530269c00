"""The task process: loads the tasks, then does the runs that the link process gives it, one after the other.

Started as `python -P -m taskgate.worker.child SOCKET_FD TICKET_FD PARENT_PID` in a session of its own, with a
clean environment; it knows no credential and no address of the gateway. It dies with its parent. Its results
leave at once, so that what it finished before a crash is not lost with it.
"""

from __future__ import annotations

import gc
import logging
import os
import socket
import sys
import time

import msgspec

from taskgate.errors import InvalidInput
from taskgate.worker import loading
from taskgate.worker.confinement import confine, die_with_parent
from taskgate.worker.frames import Done, Go, Loaded, Setup
from taskgate.worker.latch import Latch
from taskgate.worker.mailbox import Mailbox
from taskgate.worker.performing import Performer
from taskgate.worker.voice import STDERR, STDOUT, LogEntries, LogStream, Voice


def main(arguments: list[str]) -> int:
    """The whole life of a task process; 0 when the link process has gone or asked it to end."""
    socket_fd, ticket_fd, parent_pid = (int(argument) for argument in arguments)
    if not die_with_parent(parent_pid):
        return 0
    os.set_inheritable(socket_fd, False)
    os.set_inheritable(ticket_fd, False)
    latch = Latch()
    latch.install()
    sock = socket.socket(fileno=socket_fd)
    voice = Voice(sock, latch)
    mailbox = Mailbox(sock, ticket_fd, latch=latch, answer=voice.send)
    setup = mailbox.wait_setup()
    if setup is None:
        return 0
    _redirect(voice)
    performer = Performer(mailbox, voice, latch)
    _load(setup, performer, voice)
    own_pid = os.getpid()
    while (go := mailbox.take()) is not None:
        done = _do(go, performer, voice)
        if os.getpid() != own_pid:
            os._exit(0)  # a process that the task forked came back here instead of ending itself
        mailbox.current = 0
        voice.send(done)
    return 0


def _redirect(voice: Voice) -> None:
    sys.stdout = LogStream(voice, STDOUT)
    sys.stderr = LogStream(voice, STDERR)
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(LogEntries(voice))


def _load(setup: Setup, performer: Performer, voice: Voice) -> None:
    confine(max_processes=setup.max_processes, max_open_files=setup.max_open_files, nice=setup.nice)
    sys.path[:0] = [path for path in setup.paths if path not in sys.path]
    try:
        performer.shelf = loading.load(setup.tasks)
    except InvalidInput as error:
        performer.failure = error.detail
    specs = performer.shelf.all()
    voice.finish()
    gc.collect()
    gc.freeze()  # what is loaded now stays: no collection need look at it again
    offers = msgspec.json.encode([spec.offer() for spec in specs])
    voice.send(Loaded(offers, [spec.memory_bytes for spec in specs], performer.failure))


def _do(go: Go, performer: Performer, voice: Voice) -> Done:
    voice.begin(go.number, go.max_log_bytes)
    started_at, begun_at = time.time(), time.monotonic()
    answer = performer.perform(go)
    spent_s = time.monotonic() - begun_at
    voice.finish()
    return Done(
        go.number,
        answer.is_ok,
        answer.body,
        answer.code,
        answer.error_class,
        answer.retryable,
        answer.retry_at,
        started_at,
        spent_s,
        os.lseek(STDOUT, 0, os.SEEK_END),
        os.lseek(STDERR, 0, os.SEEK_END),
        voice.dropped_count,
        _has_children(),
    )


def _has_children() -> bool:
    """Whether a process that some run began is still alive; buries the dead ones. Orphans count: we adopt them."""
    try:
        while os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG) is not None:
            pass
    except ChildProcessError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
