"""One host of a lab: a network and a view of the file system of its own, commands in it, and what its link loses.

The host lives as long as the small process that holds its namespaces, and that ends with the test's process, however
it ends. Files are the machine's, apart from what is bound over them here (`/etc/hosts` for one). Losses are rules of
the host's own packet filter: nothing outside can be met by them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

Way = Literal["in", "out"]
BOTH: tuple[Way, Way] = ("in", "out")
FILTER = """
add table inet lab
add chain inet lab in { type filter hook input priority 0; }
add chain inet lab out { type filter hook output priority 0; }
add table ip nat
add chain ip nat out { type nat hook postrouting priority 100; }
"""
LETHAL = ["setpriv", "--pdeathsig", "KILL"]  # ends with the process that started it
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Host:
    """A host called `name`; `binds` are folders and files that it sees in the place of others."""

    def __init__(self, name: str, binds: Mapping[str, Path], prepare: Sequence[str] = ()) -> None:
        self.name = name
        self.address = ""
        lines = [f"mount --bind '{mine}' '{place}'" for place, mine in binds.items()]
        script = " && ".join(["ip link set lo up", *lines, *prepare, "echo up", "exec sleep infinity"])
        command = [*LETHAL, "unshare", "--net", "--mount", "sh", "-c", script]
        self._holder = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "up\n", f"the host {name} did not start"
        self.pid = self._holder.pid
        self._started: list[subprocess.Popen[bytes]] = []
        self.network = os.readlink(f"/proc/{self.pid}/ns/net")
        self._filter(FILTER)

    def command(self, words: Sequence[str], *, user: str = "", folder: Path | None = None) -> list[str]:
        """The same command, in this host."""
        place = ["nsenter", "--target", str(self.pid), "--net", "--mount", "env", "-C", str(folder or Path.cwd())]
        rights = ["--reuid", user, "--regid", user, "--init-groups"] if user else []
        return [*place, LETHAL[0], *rights, *LETHAL[1:], *words]

    def start(
        self, words: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program that goes on, at the head of a process group; what it says goes behind the log."""
        with log.open("ab") as file:
            process = subprocess.Popen(
                self.command(words),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def run(self, words: Sequence[str], *, env: Mapping[str, str] | None = None, within_s: float = 30.0) -> str:
        """What a command prints; AssertionError with all it said when it fails."""
        done = subprocess.run(
            self.command(words),
            check=False,
            capture_output=True,
            text=True,
            timeout=within_s,
            env={**os.environ, **(env or {})},
        )
        assert done.returncode == 0, f"{self.name}: {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def _filter(self, rules: str) -> None:
        """Hand rules to the host's packet filter, all of them or none."""
        subprocess.run(self.command(["nft", "-f", "-"]), check=True, input=rules, text=True)

    def cut(self, other: str = "", *, ways: Sequence[Way] = BOTH, percent: int = 100) -> None:
        """Drop silently what goes these ways, between this host and another one's address (default: all of them)."""
        chance = f"numgen random mod 100 < {percent} " if percent < 100 else ""
        for way in ways:
            towards = f"ip {'saddr' if way == 'in' else 'daddr'} {other} " if other else f"meta {way[:1]}ifname != lo "
            self._filter(f"add rule inet lab {way} {towards}{chance}drop\n")

    def heal(self) -> None:
        """Take all losses back."""
        self._filter("flush chain inet lab in\nflush chain inet lab out\n")

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """What this thread connects in the block it connects from this host; so do threads that it starts."""
        with open("/proc/thread-self/ns/net") as before, open(f"/proc/{self.pid}/ns/net") as here:
            _enter(here.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())

    def end(self) -> None:
        """Kill all that runs in it; with the last of them the host is gone, with its links."""
        while rest := [pid for pid in _processes(self.network) if pid not in (os.getpid(), self.pid)]:
            for pid in rest:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for process in self._started:
                process.wait()
        self._holder.kill()
        self._holder.wait()
        if self._holder.stdout is not None:
            self._holder.stdout.close()


def connections(host: Host, other: str = "") -> list[str]:
    """The TCP connections that stand at a host, to another address or all, as `ss` shows them."""
    words = ["ss", "-H", "-t", "-n", "state", "established"]
    return host.run([*words, *(["dst", other] if other else [])]).splitlines()


def _processes(network: str) -> list[int]:
    """Everything that runs in a host, its holder too."""
    found = []
    for place in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if place.name.isdigit() and os.readlink(place / "ns/net") == network:
                found.append(int(place.name))
    return found


def _enter(network: int) -> None:
    if _libc.setns(network, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
