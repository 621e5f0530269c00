"""Doctor names who does not trust whom, over either transport; a worker shows its own certificate, renewed ones too."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from taskgate.errors import InvalidInput, Unavailable
from taskgate.secret import Secret
from taskgate.worker.settings import WorkerSettings, settings_from
from taskgate.worker.trusting import trust
from taskgate.worker.websocket import WebSocketTransport
from tests.flows.worker.gateway import KEY, FakeGateway
from tests.servers.authority import Authority, Issued


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


class Secured:
    """A gateway that shows `shown`, and asks for certificates of `roots` where they are named."""

    def __init__(self) -> None:
        self.gateways: list[FakeGateway] = []

    async def start(self, shown: Issued, roots: Path | None = None) -> str:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(shown.cert_path, shown.key_path)
        if roots is not None:
            context.load_verify_locations(roots)
            context.verify_mode = ssl.CERT_REQUIRED
        made = FakeGateway()
        await made.start(tls=context)
        self.gateways.append(made)
        return made.url


@pytest.fixture
async def secured() -> AsyncIterator[Secured]:
    made = Secured()
    yield made
    for gateway in made.gateways:
        await gateway.stop()


def worker(url: str, authority: Authority, shows: Issued | None = None, **more: Any) -> WorkerSettings:
    own = {} if shows is None else {"cert_file": str(shows.cert_path), "key_file": str(shows.key_path)}
    fields: dict[str, Any] = {"gateway": url, "ca_file": str(authority.path), **own, **more}
    return WorkerSettings(token=Secret(KEY), **fields)


async def test_doctor_names_what_is_wrong_with_the_gateways_certificate(
    secured: Secured, authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other")
    good = await secured.start(authority.issue("good"))
    assert "127.0.0.1 is trusted" in await trust(worker(good, authority))
    ended = await secured.start(authority.issue("ended", good_for=timedelta(days=-1)))
    elsewhere = await secured.start(authority.issue("elsewhere", hosts=["gate.example"]))
    for url, trusted, why in (
        (good, other, "comes from an authority that is not in"),
        (ended, authority, "the gateway's certificate has ended"),
        (elsewhere, authority, r"is not for 127\.0\.0\.1"),
    ):
        with pytest.raises(Unavailable, match=why):
            await trust(worker(url, trusted))


async def test_doctor_says_when_the_gateway_does_not_trust_the_worker(
    secured: Secured, authority: Authority, tmp_path: Path
) -> None:
    url = await secured.start(authority.issue("gate"), authority.path)
    await trust(worker(url, authority, authority.issue("w1")))
    ended = authority.issue("ended", good_for=timedelta(days=-1))
    foreign = Authority(tmp_path / "other").issue("w1")
    for shows, why in ((None, "asks for a certificate"), (ended, "has ended"), (foreign, "not trust")):
        with pytest.raises(Unavailable, match=why):
            await trust(worker(url, authority, shows))


async def test_a_worker_shows_its_certificate_and_a_renewed_one_at_the_next_connection(
    secured: Secured, authority: Authority
) -> None:
    url = await secured.start(authority.issue("gate"), authority.path)
    ended, fresh = authority.issue("ended", good_for=timedelta(days=-1)), authority.issue("fresh")
    settings = worker(url, authority, ended)
    refused = WebSocketTransport(settings, "w1")
    with pytest.raises(Unavailable):
        await refused.open()
    await refused.close()
    fresh.install(ended.cert_path, ended.key_path)
    made = WebSocketTransport(settings, "w1")
    await made.open()
    await made.close()


async def test_a_certificate_without_tls_is_refused_before_anything_is_sent() -> None:
    for fields, why in (
        ({"gateway": "http://gate.example", "cert_file": "w.pem"}, "https"),
        ({"gateway": "https://gate.example", "key_file": "w.key"}, "cert_file is not"),
    ):
        with pytest.raises(InvalidInput, match=why):
            settings_from({"tasks": "a", **fields})
