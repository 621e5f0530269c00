"""The proxies that are compared, each with one process on the first core in front of the same upstreams.

taskgate runs with what it always has: key check, rate limit, counters, request ids, header rules, deadlines. The others
do what their own documentation shows for a reverse proxy with kept connections. What cannot be installed is Trouble.
"""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which

from benchmarks.doors import answers, open_gateway, wait_until
from benchmarks.places import CACHE, PEERS, environment, free_port
from benchmarks.processes import Process, Processes, Trouble
from benchmarks.proxy_loads import pinned, program_of
from benchmarks.proxy_upstream import Upstream, nginx_config, start_nginx

CADDY = "v2.11.9"
BUILD_S = 900.0
KEY = {"X-API-Key": "tg_0123456789abcdef0123456789abcdef0123456789abcdef"}  # others only carry it


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A proxy that answers: its process tree, its address, and the header lines that callers send."""

    process: Process
    port: int
    headers: Mapping[str, str] = field(default_factory=lambda: dict(KEY))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


Open = Callable[[Processes, Path, Upstream], Running]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One proxy. `is_full`: asked for every row, else for the wide ones."""

    key: str
    title: str
    open: Open
    is_full: bool = False


@contextmanager
def raised(processes: Processes, contestant: Contestant, *, run: Path, upstream: Upstream) -> Iterator[Running]:
    """The proxy, ended when the block is left."""
    running = contestant.open(processes, run, upstream)
    try:
        yield running
    finally:
        processes.stop(running.process)


# ---------------------------------------------------------------- ours


@contextmanager
def raised_ours(processes: Processes, run: Path, upstream: Upstream, *, workers: int) -> Iterator[Running]:
    """Ours with so many processes on its port, ended when the block is left."""
    running = open_taskgate(processes, run, upstream, settings={"TASKGATE_HTTP__WORKERS": str(workers)})
    try:
        yield running
    finally:
        processes.stop(running.process)


def open_taskgate(
    processes: Processes, run: Path, upstream: Upstream, *, settings: Mapping[str, str] | None = None
) -> Running:
    told = {"SSL_CERT_FILE": str(upstream.authority), **(settings or {})}
    door = open_gateway(processes, run, name="proxy-gateway", before=pinned(0), settings=told)
    url, key = door.environment["TASKGATE_URL"], door.environment["TASKGATE_API_KEY"]
    limit = {"rate": 1e7, "burst": 1e7, "per": "principal"}
    bases = {
        "plain": f"http://127.0.0.1:{upstream.plain}",
        "tls": f"https://localhost:{upstream.tls}",
        "streams": f"http://127.0.0.1:{upstream.streams}",
    }
    for name, base in bases.items():
        route = {
            "name": "all", "method": "*", "gateway_path": f"/{name}/{{rest:path}}", "upstream_path": "/{rest:path}",
            "policy": {"rate_limits": [limit], "max_body_bytes": 1 << 28},
        }  # fmt: skip
        body = {"name": name, "base_url": base, "routes": [route], "lease_s": 3600}
        _post(f"{url}/gateway/register", body, key=key)
    port = int(url.rpartition(":")[2])
    running = Running(process=door.process, port=port, headers={"X-API-Key": key})
    wait_until(lambda: _is_routed(f"{url}/plain/json", key), door.process)
    return running


def _post(url: str, body: object, *, key: str) -> None:
    headers = {"X-API-Key": key, "Content-Type": "application/json"}
    request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30):
            pass
    except urllib.error.HTTPError as error:
        raise Trouble(f"{url}: {error.code} {error.read()[:300]!r}") from error


def _is_routed(url: str, key: str) -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"X-API-Key": key}), timeout=5):
            return True
    except urllib.error.HTTPError:
        return False


# ---------------------------------------------------------------- theirs


def open_nginx(processes: Processes, run: Path, upstream: Upstream) -> Running:
    port = free_port()
    keep = "keepalive 256; keepalive_requests 100000000;"
    told = (
        'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-Forwarded-For $remote_addr;'
        " proxy_set_header X-Request-Id $request_id; proxy_set_header Via taskgate;"
        " proxy_request_buffering off; proxy_max_temp_file_size 0; proxy_buffers 16 32k;"
    )
    config = nginx_config(
        run / "proxy-nginx",
        f"upstream plain {{ server 127.0.0.1:{upstream.plain}; {keep} }}\n"
        f"upstream tls {{ server 127.0.0.1:{upstream.tls}; {keep} }}\n"
        f"upstream streams {{ server 127.0.0.1:{upstream.streams}; }}\n"
        f"server {{ listen 127.0.0.1:{port} backlog=4096; {told}\n"
        "location /plain/ { proxy_pass http://plain/; }\n"
        f"location /tls/ {{ proxy_pass https://tls/; proxy_ssl_session_reuse on; proxy_ssl_verify on;"
        f" proxy_ssl_name localhost; proxy_ssl_trusted_certificate {upstream.authority}; }}\n"
        "location /streams/ { proxy_pass http://streams/; proxy_buffering off; proxy_http_version 1.1;"
        " proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection; } }",
    )
    return Running(process=start_nginx(processes, "proxy-nginx", config, core=0, port=port), port=port)


def open_haproxy(processes: Processes, run: Path, upstream: Upstream) -> Running:
    port = free_port()
    config = run / "haproxy.cfg"
    config.write_text(
        "global\n  nbthread 1\n  maxconn 8000\n"
        "defaults\n  mode http\n  timeout connect 5s\n  timeout client 600s\n  timeout server 60s\n"
        "  http-reuse always\n  option forwardfor\n"
        f"frontend front\n  bind 127.0.0.1:{port} backlog 4096\n  default_backend plain\n"
        "backend plain\n  http-request replace-path /plain/(.*) /\\1\n"
        f"  server nginx 127.0.0.1:{upstream.plain} pool-max-conn 256\n",
        encoding="utf-8",
    )
    command: list[str | Path] = [program_of("haproxy"), "-f", config, "-db"]
    return _started(processes, "haproxy", command, port=port)


def open_fastapi(processes: Processes, run: Path, upstream: Upstream) -> Running:
    port = free_port()
    server = ["app:app", "--host", "127.0.0.1", "--port", str(port), "--loop", "uvloop", "--http", "httptools"]
    quiet = ["--no-access-log", "--log-level", "warning", "--backlog", "4096"]
    command: list[str | Path] = [environment("proxy_fastapi") / "uvicorn", *server, *quiet]
    return _started(processes, "fastapi", command, port=port, upstream=upstream, folder=PEERS / "proxy_fastapi")


def open_caddy(processes: Processes, run: Path, upstream: Upstream) -> Running:
    port = free_port()
    config = run / "Caddyfile"
    config.write_text(
        "{\n  admin off\n  auto_https off\n  persist_config off\n  log {\n    level ERROR\n  }\n}\n"
        f"http://127.0.0.1:{port} {{\n  handle_path /plain/* {{\n    reverse_proxy 127.0.0.1:{upstream.plain} {{\n"
        "      transport http {\n        keepalive_idle_conns_per_host 256\n      }\n    }\n  }\n}\n",
        encoding="utf-8",
    )
    command: list[str | Path] = [built_caddy(), "run", "--config", config, "--adapter", "caddyfile"]
    return _started(processes, "caddy", command, port=port, told={"GOMAXPROCS": "1", "HOME": str(run)})


def built_caddy() -> Path:
    """Caddy on PATH, else built once by a Go toolchain that is there."""
    if found := which("caddy"):
        return Path(found)
    binary = CACHE / "go" / "bin" / "caddy"
    if not binary.exists():
        go = which("go") or which("/usr/local/go/bin/go")
        if go is None:
            raise Trouble("neither caddy nor a Go toolchain is here")
        told = {**os.environ, "GOBIN": str(binary.parent), "GOFLAGS": "-mod=mod"}
        _done([go, "install", f"github.com/caddyserver/caddy/v2/cmd/caddy@{CADDY}"], told, folder=CACHE)
    return binary


def open_fastify(processes: Processes, run: Path, upstream: Upstream) -> Running:
    return _node(processes, "fastify.js", upstream)


def open_http_proxy(processes: Processes, run: Path, upstream: Upstream) -> Running:
    return _node(processes, "http_proxy.js", upstream)


def _node(processes: Processes, script: str, upstream: Upstream) -> Running:
    node, npm = which("node"), which("npm")
    if node is None or npm is None:
        raise Trouble("node or npm is missing")
    folder, port = CACHE / "node", free_port()
    wanted = (PEERS / "proxy_node" / "package.json").read_text(encoding="utf-8")
    mark = folder / "installed"
    if not mark.exists() or mark.read_text(encoding="utf-8") != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(wanted, encoding="utf-8")
        _done(
            [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"], dict(os.environ), folder=folder
        )
        mark.write_text(wanted, encoding="utf-8")
    (folder / script).write_text((PEERS / "proxy_node" / script).read_text(encoding="utf-8"), encoding="utf-8")
    name = script.removesuffix(".js")
    return _started(processes, name, [node, folder / script], port=port, upstream=upstream)


def _started(
    processes: Processes,
    name: str,
    command: list[str | Path],
    *,
    port: int,
    upstream: Upstream | None = None,
    folder: Path | None = None,
    told: Mapping[str, str] | None = None,
) -> Running:
    where = {"BENCH_UPSTREAM": f"http://127.0.0.1:{upstream.plain}", "BENCH_PORT": str(port)} if upstream else {}
    process = processes.start(
        f"proxy-{name}", [*pinned(0), *command], environment={**where, **(told or {})}, folder=folder
    )
    wait_until(lambda: answers(port), process)
    return Running(process=process, port=port)


def _done(command: list[str], told: Mapping[str, str], *, folder: Path) -> None:
    try:
        subprocess.run(command, env=dict(told), cwd=folder, check=True, capture_output=True, text=True, timeout=BUILD_S)
    except subprocess.TimeoutExpired as error:
        raise Trouble(f"{Path(command[0]).name}: took longer than {BUILD_S:.0f} s") from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["no reason given"]
        raise Trouble(f"{Path(command[0]).name}: {lines[-1].strip()}") from error


CONTESTANTS = (
    Contestant(key="taskgate", title="taskgate", open=open_taskgate, is_full=True),
    Contestant(key="nginx", title="nginx proxy_pass", open=open_nginx, is_full=True),
    Contestant(key="haproxy", title="HAProxy", open=open_haproxy),
    Contestant(key="caddy", title=f"Caddy {CADDY}", open=open_caddy),
    Contestant(key="fastify", title="Fastify reply-from", open=open_fastify),
    Contestant(key="http_proxy", title="node http-proxy", open=open_http_proxy),
    Contestant(key="fastapi", title="FastAPI + httpx", open=open_fastapi),
)
