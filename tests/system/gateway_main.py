"""`python -m tests.system.gateway_main`: `taskgate serve` with failpoints. For tests alone.

Settings come from the environment and the flags, as for the real command; `--failpoint` arms one.
"""

from __future__ import annotations

import argparse
import sys

from taskgate.config import load
from taskgate.server import run
from taskgate.testing.failpoints import probe_of


def main() -> int:
    """Serve until a signal or a failpoint ends it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--grpc-port", type=int)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--failpoint", default="", help="NAME:COUNT")
    told = parser.parse_args()
    flags = {"http.port": told.port, "data_dir": told.data_dir}
    flags |= {"grpc.enabled": False} if told.grpc_port is None else {"grpc.port": told.grpc_port}
    return run(load(flags), probe=probe_of(told.failpoint))


if __name__ == "__main__":
    sys.exit(main())
