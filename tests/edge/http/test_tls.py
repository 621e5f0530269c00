"""The same door over TLS: requests, WebSockets, and callers who never finish their handshake (S27)."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from websockets.sync.client import connect

from taskgate.edge.settings import HttpSettings
from taskgate.errors import InvalidInput
from taskgate.proxy.settings import ProxySettings
from taskgate.tls.doors import check_door
from tests.edge.http.house import FREE
from tests.edge.http.serving import Served

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates of this test")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody but this test trusts, with its key beside it."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(folder / "key.pem"),
         "-out", str(folder / "cert.pem"), "-subj", "/CN=elsewhere", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder / "cert.pem"


@pytest.fixture(scope="module")
def served(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    http = HttpSettings(port=0, tls_cert_path=str(certificate), tls_key_path=str(certificate.with_name("key.pem")))
    with Served(tmp_path_factory.mktemp("served"), FREE, http=http, proxy=ProxySettings(handshake_s=0.5)) as opened:
        yield opened


def test_requests(served: Served, certificate: Path) -> None:
    http = urllib3.PoolManager(retries=False, timeout=20, ca_certs=str(certificate))
    assert served.url.startswith("https://")
    assert http.request("GET", f"{served.url}/health").json()["status"] == "ok"
    headers = {"X-API-Key": served.key("submit")}
    large = {"input": "x" * 300_000}
    made = http.request("POST", f"{served.url}/v1/tasks/demo.free/runs", json=large, headers=headers)
    assert made.status == 202


def test_a_refusal_over_tls(served: Served, certificate: Path) -> None:
    context = ssl.create_default_context(cafile=str(certificate))
    with (
        socket.create_connection(("127.0.0.1", served.port), timeout=10) as line,
        context.wrap_socket(line, server_hostname="127.0.0.1") as secured,
    ):
        secured.sendall(b"GET /../x HTTP/1.1\r\nHost: x\r\n\r\n")
        told = b""
        while piece := secured.recv(65536):
            told += piece
        assert told.startswith(b"HTTP/1.1 400 ")


def test_a_websocket(served: Served, certificate: Path) -> None:
    context = ssl.create_default_context(cafile=str(certificate))
    headers = {"X-API-Key": served.key("worker")}
    with connect(f"wss://127.0.0.1:{served.port}/ws/workers/w1", ssl=context, additional_headers=headers) as worker:
        worker.send(json.dumps({"type": "hello", "worker_id": "w1", "capabilities": ["demo.free"]}))
        assert json.loads(worker.recv(timeout=10))["type"] == "welcome"


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_half_a_handshake_is_closed_soon(served: Served, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=5) as line:
        line.sendall(sent)
        told = b""
        try:
            while piece := line.recv(4096):
                told += piece
        except ConnectionResetError:
            pass
        assert b"HTTP" not in told


def check(cert_path: str, key_path: str) -> None:
    check_door("http", HttpSettings(tls_cert_path=cert_path, tls_key_path=key_path))


def test_what_cannot_serve_is_said_in_one_line(certificate: Path, tmp_path: Path) -> None:
    """The start of a gateway ends with it, and `taskgate check` says the same."""
    key, other, locked = certificate.with_name("key.pem"), tmp_path / "other.pem", tmp_path / "locked.pem"
    for command in (["genrsa", "-out", str(other), "2048"],
                    ["rsa", "-aes256", "-passout", "pass:secret", "-in", str(key), "-out", str(locked)]):  # fmt: skip
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    away, text = tmp_path / "away.pem", tmp_path / "text.pem"
    text.write_text("no certificate")
    for cert_path, key_path, why in (
        (away, key, r"tls_cert_path: .* cannot be read: No such file"),
        (certificate, away, r"tls_key_path: .* cannot be read: No such file"),
        (certificate, tmp_path, r"tls_key_path: .* cannot be read: Is a directory"),
        ("", key, "tls_cert_path: must be named"),
        (text, key, "tls_cert_path: .* cannot be used"),
        (certificate, other, "tls_key_path: is not the key of the certificate"),
        (certificate, locked, "without a password"),
        (certificate, "", "tls_cert_path: .* cannot be used"),
    ):
        with pytest.raises(InvalidInput, match=why):
            check(str(cert_path), str(key_path))
    check(str(certificate), str(key))
    check("", "")
    env = {**os.environ, "TASKGATE_HTTP__TLS_CERT_PATH": str(certificate), "TASKGATE_HTTP__TLS_KEY_PATH": str(away)}
    for command in (["serve", "--port", "0", "--data-dir", str(tmp_path / "data")], ["check"]):
        done = subprocess.run([sys.executable, "-m", "taskgate", *command], capture_output=True, text=True, check=False,
                              timeout=60, env=env, cwd=tmp_path)  # fmt: skip
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "http.tls_key_path: " in done.stderr
