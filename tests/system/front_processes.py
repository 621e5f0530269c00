"""The processes of a gateway with fronts, as the kernel sees them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

from tests.system.cluster import GatewayProcess

COUNT = 3
WITHIN_S = 15.0


def fronts_of(gateway: GatewayProcess) -> list[int]:
    pid = gateway.pid
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = [int(text) for text in children.read_text().split()] if children.exists() else []
    return [child for child in found if b"taskgate.fronts" in _command(child)]


def all_listen(gateway: GatewayProcess) -> bool:
    fronts = fronts_of(gateway)
    return len(fronts) == COUNT - 1 and all(listens(pid, gateway.port) for pid in fronts)


def listens(pid: int, port: int) -> bool:
    """Whether this process has a listening socket on the port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {row[9] for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port}
    try:
        held = {os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:
        return False
    return any(f"socket:[{inode}]" in held for inode in inodes)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(claim: Callable[[], bool], within_s: float = WITHIN_S) -> None:
    deadline = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


async def until_true(claim: Callable[[], bool], within_s: float = WITHIN_S) -> None:
    """As `until`, while the loop goes on."""
    deadline = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < deadline, "it did not come to that"
        await asyncio.sleep(0.02)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
