"""Tasks that do their worst, in real workers. Every process they start carries the mark of its worker."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from taskgate import Context, task


def note(path: str, word: str) -> None:
    with open(path, "a") as file:
        file.write(f"{word} {os.getpid()}\n")


@task(name="bad.bomb", retries=0)
def bomb(ledger: str) -> None:
    """Forks for ever, each one in a session of its own and deaf to SIGTERM. Only for a bounded cage."""
    note(ledger, "start")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        with contextlib.suppress(OSError):
            if os.fork() == 0:
                os.setsid()
        time.sleep(0.002)


@task(name="bad.family", retries=0)
def family(ledger: str, *, crash: bool = False) -> None:
    """Leaves a daemon and a subprocess, then waits or crashes."""
    script = "import os,sys,time\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\n"
    script += "open(sys.argv[1],'a').write(f'daemon {os.getpid()}\\n')\ntime.sleep(3600)\n"
    subprocess.run([sys.executable, "-c", script, ledger], check=True)
    sleeper = subprocess.Popen(["/bin/sleep", "3600"], start_new_session=True)
    with open(ledger, "a") as file:
        file.write(f"sleeper {sleeper.pid}\n")
    while Path(ledger).read_text().count("\n") < 2:
        time.sleep(0.01)
    note(ledger, "start")
    if crash:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(3600)


@task(name="bad.loop", retries=0)
def loop(ledger: str) -> None:
    """Never ends and never listens."""
    note(ledger, "start")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        pass


@task(name="bad.eats", retries=0, memory="200MiB")
def eats(ledger: str) -> None:
    """Takes more memory than it may have."""
    note(ledger, "start")
    hoard = []
    while True:
        hoard.append(bytearray(os.urandom(8 << 20)))


@task(name="bad.exits")
def exits(ledger: str) -> None:
    """Dies at every try."""
    note(ledger, "start")
    os._exit(3)


@task(name="bad.imports")
def imports(ledger: str) -> None:
    """Needs what is not there."""
    note(ledger, "start")
    import a_library_that_nobody_installed  # type: ignore[import-not-found]  # noqa: F401


@task(name="good.gated", retries=3)
def gated(ledger: str, gate: str, *, context: Context) -> int:
    """Works until the gate file exists."""
    note(ledger, "start")
    while not Path(gate).exists():
        time.sleep(0.01)
    note(ledger, "end")
    return context.attempt


@task(name="good.quick")
def quick(number: int) -> int:
    """Gives its number back."""
    return number
