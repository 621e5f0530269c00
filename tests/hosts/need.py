"""Whether this machine can have hosts of its own, or the named reason why not.

A network namespace needs root and a few programs that every distribution has; a container may forbid it all the same.
"""

from __future__ import annotations

import os
import shutil
import subprocess

from tests.servers.finding import install, missing

PROGRAMS = {"ip": "iproute2", "ss": "iproute2", "nft": "nftables", "nsenter": "util-linux", "setpriv": "util-linux"}
PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
TRIAL = "ip link add trial0 type bridge && nft add table inet trial"


def need_hosts() -> None:
    """A skip by name where there can be no hosts; in CI a failure."""
    if os.geteuid() != 0:
        missing("network namespaces (they need root, which")
    for program, package in PROGRAMS.items():
        if shutil.which(program, path=PLACES) is None:
            install(package)
        if shutil.which(program, path=PLACES) is None:
            missing(program)
    if subprocess.run(["unshare", "--net", "--mount", "sh", "-c", TRIAL], check=False, capture_output=True).returncode:
        missing("network namespaces (the kernel or the container forbids them: the right")
