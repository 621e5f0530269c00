"""Finding a server's program, or getting it, or saying by name that it is missing."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import NoReturn

import pytest

from tests.system.cluster import ROOT

INSTALL_S = 400.0


def install(name: str) -> None:
    """Have `tools/servers.sh` install it, where that is possible."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run([ROOT / "tools" / "servers.sh", name], check=False, capture_output=True, timeout=INSTALL_S)


def missing(name: str) -> NoReturn:
    """A skip by name; in CI a failure."""
    reason = f"{name} is not installed, and could not be"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
