"""HAProxy before several gateways: it asks `/health/ready`, as the page on several gateways says a balancer should."""

from __future__ import annotations

import shutil
from pathlib import Path

import urllib3

from tests.servers.daemon import Daemon
from tests.servers.finding import install, missing
from tests.system.cluster import GatewayProcess, free_port

START_S = 20.0
CONFIGURATION = """
global
    maxconn 4000
defaults
    mode http
    timeout connect 2s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
    timeout check 2s
    option redispatch
    retries 2
frontend door
    bind 127.0.0.1:{port}
    default_backend gateways
backend gateways
    balance roundrobin
    option httpchk GET /health/ready
    default-server check inter 100ms fall 1 rise 1
{servers}
"""


class HaProxy(Daemon):
    """The balancer; it asks ten times a second, because gateways of tests leave within half a second."""

    def __init__(self, folder: Path, gateways: tuple[GatewayProcess, ...]) -> None:
        super().__init__(folder)
        self.port = free_port()
        servers = "\n".join(f"    server g{n} 127.0.0.1:{one.port}" for n, one in enumerate(gateways))
        self._file = folder / "haproxy.cfg"
        self._file.write_text(CONFIGURATION.format(port=self.port, servers=servers), encoding="utf-8")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it passes somebody on."""
        self._launch([_program(), "-db", "-f", str(self._file)], answers=self._answers, within_s=START_S)

    def _answers(self) -> bool:
        try:
            return urllib3.request("GET", f"{self.url}/health/ready", retries=False, timeout=2.0).status == 200
        except urllib3.exceptions.HTTPError:
            return False


def _program() -> str:
    for _ in range(2):
        if found := shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin"):
            return found
        install("haproxy")
    return missing("haproxy")
