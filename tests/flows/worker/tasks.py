"""Tasks that the pool's tests run in real task processes."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from taskgate import Context, NonRetryable, Retry, task

print("said while loading")


@task
def echo(value: Any) -> Any:
    return value


@task
async def later(value: int) -> int:
    await asyncio.sleep(0)
    return value


@task
def pid() -> int:
    return os.getpid()


@task
def about(*, context: Context) -> dict[str, Any]:
    left_s = context.time_left_s
    return {
        "run_id": context.run_id,
        "attempt": context.attempt,
        "tenant": dict(context.tenant),
        "labels": dict(context.labels),
        "traceparent": context.traceparent,
        "has_time": left_s is not None and 0 < left_s <= 30,
    }


@task
def environment() -> dict[str, str]:
    return dict(os.environ)


@task
def raises(kind: str) -> None:
    errors: dict[str, BaseException] = {
        "value": ValueError("bad"),
        "retry": Retry("later", after_s=5),
        "never": NonRetryable("no"),
        "exit": SystemExit(3),
        "import": ImportError("missing"),
    }
    raise errors[kind]


@task
def opaque() -> Any:
    return {"rows": [object()]}


@task
def talk(count: int, *, context: Context) -> None:
    for number in range(count):
        print(f"out {number}")
        print(f"err {number}", file=sys.stderr)
        context.log(f"log {number}", level="warning")
    logging.getLogger("their.library").info("from the library")
    sys.stdout.write("no newline")
    sys.stdout.buffer.write(b"\xff bytes\n")
    context.progress(0.5, "half")


@task
def raw_output(word: str) -> None:
    os.write(1, f"fd {word}\n".encode())
    subprocess.run(["/bin/sh", "-c", f"echo sub {word}; echo err {word} >&2"], check=True)
    ctypes.CDLL(None).puts(f"c {word}".encode())
    ctypes.CDLL(None).fflush(None)


@task
def steps(count: int, together: int, pause_s: float, *, context: Context) -> None:
    """Progress in groups of so many, with a pause between any two groups."""
    for number in range(1, count + 1):
        context.progress(number / count, str(number))
        if number % together == 0:
            time.sleep(pause_s)


@task
def flood(megabytes: int, *, context: Context) -> int:
    for _ in range(megabytes):
        os.write(1, (b"x" * 1023 + b"\n") * 1024)
        print("y" * 100)
    context.log("after the flood")
    return megabytes


@task
def long_line(size: int) -> None:
    os.write(1, "é".encode() * size)


@task
def slow_talk(gate: str) -> None:
    os.write(1, b"early\n")
    while not os.path.exists(gate):
        time.sleep(0.01)
    os.write(1, b"late\n")


@task
def hold(gate: str) -> str:
    while not os.path.exists(gate):
        time.sleep(0.005)
    return "held"


@task
def patient(*, context: Context) -> str:
    print("here")
    while not context.cancelled:
        time.sleep(0.005)
    return "tidied"


@task
async def waits() -> None:
    print("here")
    await asyncio.sleep(3600)


@task
def tidy(note: str) -> None:
    try:
        print("here")
        time.sleep(3600)
    finally:
        with open(note, "w") as file:
            file.write("tidied")


@task
def stubborn() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("here")
    while True:
        pass


@task
def swallows() -> None:
    while True:
        try:
            time.sleep(3600)
        except BaseException:
            continue


@task
def hogs() -> None:
    ctypes.PyDLL(None).sleep(3600)  # a PyDLL call keeps the interpreter's lock


@task
def dies(by: int) -> None:
    os.kill(os.getpid(), by)


@task
def exits(code: int) -> None:
    os._exit(code)


@task
def segfault() -> None:
    ctypes.string_at(0)


@task
def forks_and_returns() -> int:
    """A process that the task forked comes back into the loop of its parent, and must not."""
    if os.fork() == 0:
        return -1
    os.wait()
    return os.getpid()


@task
def forks_and_prints() -> None:
    pid = os.fork()
    if pid == 0:
        print("from the child")
        os._exit(0)
    os.waitpid(pid, 0)
    print("from the parent")


@task
def daemon(note: str) -> None:
    """Leaves a process behind: two forks and a session of its own, without our environment."""
    script = "import os,sys,time\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\n"
    script += "open(sys.argv[1],'w').write(str(os.getpid()))\ntime.sleep(3600)\n"
    subprocess.run([sys.executable, "-c", script, note], check=True, env={})
    while not os.path.exists(note) or not os.path.getsize(note):
        time.sleep(0.005)


@task
def zombie() -> None:
    subprocess.Popen(["/bin/true"])
    time.sleep(0.05)


@task
def thread_talks() -> None:
    thread = threading.Thread(target=print, args=("from a thread",))
    thread.start()
    thread.join()


@task(memory="200MiB")
def eats(megabytes: int) -> int:
    hoard = [bytearray(os.urandom(1 << 20)) for _ in range(megabytes)]
    time.sleep(5 if megabytes > 200 else 0)
    return len(hoard)
