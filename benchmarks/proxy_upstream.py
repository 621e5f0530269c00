"""The upstream of every proxy: nginx for bodies (plain and TLS) and a small server of streams, on the second core.

`/json` answers 1 KiB, `/sink` answers at once, `/swallow` reads the whole body before, `/10m.bin` is 10 MiB.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.doors import answers, wait_until
from benchmarks.places import DRIVING, free_port
from benchmarks.processes import Process, Processes
from benchmarks.proxy_loads import KIB, MIB, pinned, program_of

ECHO_MODULE = Path("/usr/lib/nginx/modules/ngx_http_echo_module.so")
START = '{"id":"task-0001","text":"'
JSON = START + "x" * (KIB - len(START) - 2) + '"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Ports of the upstreams, and the file with the authority that signed the TLS one."""

    plain: int
    tls: int
    streams: int
    authority: Path
    processes: tuple[Process, ...]


def nginx_config(folder: Path, servers: str, *, modules: str = "") -> Path:
    """A configuration for one worker that writes below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    user = "user root;" if os.geteuid() == 0 else ""
    parts = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = " ".join(f"{name}_temp_path {folder}/{name};" for name in parts)
    config = folder / "nginx.conf"
    config.write_text(
        f"{modules}\n{user} worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;\n"
        "events { worker_connections 16384; }\n"
        "http {\n"
        f"access_log off; {places} keepalive_requests 100000000; keepalive_timeout 600s; sendfile on; tcp_nodelay on;\n"
        f"client_max_body_size 0; client_body_buffer_size 11m;\n{servers}\n}}\n",
        encoding="utf-8",
    )
    return config


def start_nginx(processes: Processes, name: str, config: Path, *, core: int, port: int) -> Process:
    """nginx on one core, once it listens."""
    folder = config.parent
    command: list[str | Path] = [program_of("nginx"), "-p", folder, "-c", config, "-e", folder / "error.log"]
    process = processes.start(name, [*pinned(core), *command])
    wait_until(lambda: answers(port), process)
    return process


def open_upstream(processes: Processes, run: Path) -> Upstream:
    """Start both. Trouble when nginx cannot be had."""
    folder = run / "upstream"
    folder.mkdir()
    (folder / "10m.bin").write_bytes(os.urandom(MIB) * 10)
    plain, tls, streams = free_port(), free_port(), free_port()
    certificate, key = _certificate(folder)
    both = _locations(folder, plain)
    config = nginx_config(
        folder,
        f"server {{ listen 127.0.0.1:{plain} backlog=4096; {both} }}\n"
        f"server {{ listen 127.0.0.1:{tls} ssl backlog=4096; ssl_certificate {certificate};"
        f" ssl_certificate_key {key}; {both} }}",
        modules=f"load_module {ECHO_MODULE};" if ECHO_MODULE.exists() else "",
    )
    nginx = start_nginx(processes, "upstream", config, core=1, port=plain)
    command: list[str | Path] = [*pinned(1), sys.executable, DRIVING / "streams_served.py", str(streams)]
    served = processes.start("streams", command)
    wait_until(lambda: answers(streams), served)
    return Upstream(plain=plain, tls=tls, streams=streams, authority=certificate, processes=(nginx, served))


def _locations(folder: Path, plain: int) -> str:
    """Without the echo module a body is swallowed by buffering it for a second, empty request."""
    swallow = (
        'echo_read_request_body; echo -n "swallowed";'
        if ECHO_MODULE.exists()
        else f"proxy_request_buffering on; proxy_pass_request_body off; proxy_set_header Content-Length 0;"
        f" proxy_pass http://127.0.0.1:{plain}/sink;"
    )
    return (
        f"root {folder}; default_type application/json;"
        f" location = /json {{ return 200 '{JSON}'; }}"
        f" location = /sink {{ return 200 '{JSON}'; }}"
        f" location = /swallow {{ {swallow} }}"
    )


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and localhost that is its own authority."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    names = "subjectAltName=IP:127.0.0.1,DNS:localhost"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*made, "-subj", "/CN=localhost", "-addext", names, *files], check=True, capture_output=True)
    return certificate, key
