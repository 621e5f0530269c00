"""TLS is verified, and there is no way round it."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskgate.errors import Unavailable
from taskgate.secret import Secret
from taskgate.worker.settings import WorkerSettings
from taskgate.worker.websocket import WebSocketTransport
from tests.flows.worker.gateway import KEY, FakeGateway

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates of this test")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody but this test trusts, with its key in the same file."""
    file, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(key),
         "-out", str(file), "-subj", "/CN=elsewhere", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return file


@pytest.fixture
async def gateway(certificate: Path) -> AsyncIterator[FakeGateway]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    made = FakeGateway()
    await made.start(tls=context)
    yield made
    await made.stop()


def transport(gateway: FakeGateway, *, address: str = "", ca_file: str = "") -> WebSocketTransport:
    return WebSocketTransport(WorkerSettings(gateway=address or gateway.url, token=Secret(KEY), ca_file=ca_file), "w1")


async def test_an_unknown_authority_is_refused(gateway: FakeGateway) -> None:
    made = transport(gateway)
    with pytest.raises(Unavailable, match=r"(?i)certificate"):
        await made.open()
    await made.close()


async def test_a_named_authority_is_trusted(gateway: FakeGateway, certificate: Path) -> None:
    made = transport(gateway, ca_file=str(certificate))
    await made.open()
    await made.close()


async def test_another_host_name_is_refused(gateway: FakeGateway, certificate: Path) -> None:
    made = transport(gateway, address=gateway.url.replace("127.0.0.1", "localhost"), ca_file=str(certificate))
    with pytest.raises(Unavailable, match=r"(?i)certificate"):
        await made.open()
    await made.close()


async def test_a_file_that_cannot_be_read_is_named(gateway: FakeGateway, tmp_path: Path) -> None:
    made = transport(gateway, ca_file=str(tmp_path / "absent.pem"))
    with pytest.raises(Unavailable, match=r"ca_file .*absent\.pem"):
        await made.open()
    await made.close()
