"""What is asked of every proxy, and how it is counted: wrk with a script that prints one JSON line.

wrk and the upstream share one core, the proxy has the other. A load with any error or wrong status is told as such.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import which

from benchmarks.places import ROOT
from benchmarks.processes import Trouble

KIB, MIB = 1 << 10, 1 << 20
INSTALL_S = 300.0
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Referer": "https://app.example.com/projects/2291/tasks",
    "Cookie": "session=8f14e45fceea167a5a36dedd4bea2543; theme=dark",
    "Sec-Fetch-Dest": "empty",
    "Sec-Fetch-Mode": "cors",
    "Sec-Fetch-Site": "same-origin",
    "Priority": "u=4",
}
DONE = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\\nRESULT {"count":%d,"duration_us":%d,"bytes":%d,"p50_us":%d,"p99_us":%d,"errors":%d,"wrong":%d}\\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.timeout, e.status))
end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One row of the table. `is_wide`: asked of every proxy, else of ours and nginx alone."""

    key: str
    title: str
    path: str
    connections: int = 64
    body_bytes: int = 0
    browser: bool = False
    is_wide: bool = False
    is_one: bool = False
    moved_bytes: int = 0


LOADS = (
    Load(key="get", title="GET 1 KiB, 64 connections, 2 headers", path="/plain/json", is_wide=True),
    Load(key="get12", title="GET 1 KiB, 64 connections, 12 headers", path="/plain/json", browser=True),
    Load(key="post", title="POST 1 KiB, 64 connections, 2 headers", path="/plain/sink", body_bytes=KIB, is_wide=True),
    Load(
        key="post12", title="POST 1 KiB, 64 connections, 12 headers", path="/plain/sink", body_bytes=KIB, browser=True
    ),
    Load(key="one", title="GET 1 KiB, 1 connection", path="/plain/json", connections=1, is_wide=True, is_one=True),
    Load(key="post100k", title="POST 100 KiB, 64 connections", path="/plain/swallow", body_bytes=100 * KIB),
    Load(
        key="down", title="10 MiB down, 4 connections", path="/plain/10m.bin", connections=4, moved_bytes=10 * MIB,
        is_wide=True,
    ),
    Load(
        key="up", title="10 MiB up, 4 connections", path="/plain/swallow", connections=4, body_bytes=10 * MIB,
        moved_bytes=10 * MIB,
    ),
    Load(key="tls", title="upstream TLS, GET 1 KiB, 64 connections", path="/tls/json"),
    Load(
        key="tlsdown", title="upstream TLS, 10 MiB down, 4 connections", path="/tls/10m.bin", connections=4,
        moved_bytes=10 * MIB,
    ),
)  # fmt: skip


@cache
def program_of(name: str) -> str:
    """The path of a distribution's program, installed where that is possible. Trouble when it is missing."""
    found = which(name)
    if found is None:
        subprocess.run([ROOT / "tools" / "servers.sh", name], check=False, capture_output=True, timeout=INSTALL_S)
        found = which(name)
    if found is None:
        raise Trouble(f"{name} is not installed, and could not be")
    return found


def pinned(core: int) -> list[str]:
    """The words before a command that keep it on one core; none on a machine that has no second one."""
    cores = sorted(os.sched_getaffinity(0))
    return [program_of("taskset"), "-c", str(cores[core])] if len(cores) > core else []


def applied(run: Path, load: Load, *, url: str, headers: Mapping[str, str], seconds: int) -> dict[str, float]:
    """Ask for so many seconds. `count`, `rate`, `p50_us`, `p99_us`, `errors`, `wrong`."""
    script = run / f"{load.key}.lua"
    script.write_text(_script(load, headers), encoding="utf-8")
    options = ["-t1", f"-c{load.connections}", f"-d{seconds}s", "--timeout", "8s", "--latency", "-s", str(script)]
    command = [*pinned(1), program_of("wrk"), *options, url + load.path]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=seconds + 30)
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise Trouble(f"wrk: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
    found: dict[str, float] = json.loads(line.removeprefix("RESULT "))
    found["rate"] = found["count"] / found["duration_us"] * 1e6
    return found


def _script(load: Load, headers: Mapping[str, str]) -> str:
    told = {**headers, **(BROWSER if load.browser else {})}
    lines = [f'wrk.headers["{name}"] = "{value}"' for name, value in told.items()]
    if load.body_bytes:
        lines += ['wrk.method = "POST"', f'wrk.body = string.rep("x", {load.body_bytes})']
    return "\n".join([*lines, DONE])
