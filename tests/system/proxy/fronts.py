"""What stands between caller and upstream: our gateway with registered services, or nginx as the reference.

The rigs ask a `Front` for nothing but its port, the path of a service and the header lines that its callers send, so
that each of them can be seen to work against nginx.
"""

from __future__ import annotations

import contextlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.system.cluster import GatewayProcess, free_port
from tests.system.proxy.servers import ServerProcess, nginx_command

ROUTED_S = 10.0
POLL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """A proxy that runs. `credential` is empty where none is asked for. `pid` is its process."""

    name: str
    port: int
    pid: int
    credential: str = ""

    def path(self, service: str) -> str:
        """The public path below which that service is."""
        return f"/{service}"

    @property
    def headers(self) -> dict[str, str]:
        return {"X-API-Key": self.credential} if self.credential else {}

    @property
    def lines(self) -> bytes:
        return b"".join(f"{name}: {value}\r\n".encode() for name, value in self.headers.items())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def ask(front_url: str, method: str, path: str, *, key: str, body: Any = None) -> tuple[int, Any]:
    """One call of the gateway's own API; status and what was told."""
    sent = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **({"X-API-Key": key} if key else {})}
    request = urllib.request.Request(front_url + path, data=sent, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return answer.status, _told(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, _told(error.read())


def _told(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode("utf-8", "replace")


def routes_of(name: str) -> list[dict[str, Any]]:
    """Every path below `/NAME`, by every method."""
    return [{"name": "all", "method": "*", "gateway_path": f"/{name}/{{rest:path}}", "upstream_path": "/{rest:path}"}]


def register(gateway: GatewayProcess, name: str, port: int, **more: Any) -> Any:
    """Register an upstream of this machine with every path below `/NAME`; returns when it is routed."""
    told = {
        "name": name,
        "base_url": f"http://127.0.0.1:{port}",
        "prefix": "",
        "routes": routes_of(name),
        "lease_s": 3600,
        **more,
    }
    status, answer = ask(gateway.url, "POST", "/gateway/register", key=gateway.admin_key, body=told)
    assert status in (200, 201), (status, answer)
    until_routed(gateway, name)
    return answer


def until_routed(gateway: GatewayProcess, name: str) -> None:
    deadline = time.monotonic() + ROUTED_S
    while ask(gateway.url, "GET", f"/{name}/ready", key=gateway.admin_key)[0] == 404:
        assert time.monotonic() < deadline, f"{name} was registered and is not routed"
        time.sleep(POLL_S)


@contextlib.contextmanager
def taskgate_front(
    folder: Path, upstreams: Mapping[str, int], *, settings: dict[str, str] | None = None
) -> Iterator[Front]:
    """A gateway in front of these upstreams (service → port)."""
    gateway = GatewayProcess(folder / "gateway", settings=settings)
    gateway.start()
    try:
        for name, port in upstreams.items():
            register(gateway, name, port)
        yield Front(name="taskgate", port=gateway.port, pid=gateway.pid, credential=gateway.admin_key)
    finally:
        gateway.kill()


@contextlib.contextmanager
def keyless_front(folder: Path, port: int, settings: dict[str, str]) -> Iterator[str]:
    """The URL of a gateway that asks for no key, in front of one upstream below `/up`."""
    gateway = GatewayProcess(folder / "keyless", settings=settings)
    gateway.start()
    try:
        told = {"name": "up", "base_url": f"http://127.0.0.1:{port}", "routes": routes_of("up"), "lease_s": 3600}
        status, answer = ask(gateway.url, "POST", "/gateway/register", key="", body=told)
        assert status in (200, 201), (status, answer)
        yield gateway.url
    finally:
        gateway.kill()


@contextlib.contextmanager
def nginx_front(folder: Path, upstream: tuple[str, int]) -> Iterator[Front]:
    """nginx as a proxy in front of one upstream."""
    port = free_port()
    name, to = upstream
    command = nginx_command(folder / "nginx-front", port=port, to=to, prefix=f"/{name}/")
    server = ServerProcess(command, port=port, log=folder / "nginx-front.log")
    try:
        yield Front(name="nginx", port=port, pid=server.pid)
    finally:
        server.stop()
