"""Starts the service of streams (`streams_main.py`) as a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.system.proxy.servers import ServerProcess


def stream_server(folder: Path, *, port: int) -> ServerProcess:
    """It listens when this returns."""
    command = [sys.executable, "-m", "tests.system.proxy.streams_main", str(port)]
    return ServerProcess(command, port=port, log=folder / "streams.log")
