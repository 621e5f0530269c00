"""S22: whoever copies the database has no live secret: no key, token, join token, root or signing key is in it."""

from __future__ import annotations

import asyncio
import base64
import subprocess
from pathlib import Path

import pytest

from taskgate.assembly import Gateway, build
from taskgate.config import Settings
from taskgate.secret import Url
from taskgate.stores.settings import DatabaseSettings
from tests.servers.postgres import binaries

pytestmark = pytest.mark.security


async def secrets_of_a_busy_day(gateway: Gateway) -> list[bytes]:
    """Makes one of everything, uses it, and tells every text that must not be found."""
    keys, entrance = gateway.keys, gateway.entrance
    _, key = await keys.create(None, name="boss", scopes=("admin", "submit"))
    boss = await keys.authenticate(key)
    token, _ = await entrance.tokens.exchange(boss, scopes=("submit",))
    _, invitation = await entrance.invitations.invite(boss)
    _, second = await entrance.invitations.invite(boss)
    _, worker_key = await entrance.invitations.redeem(
        await entrance.invitations.authenticate(invitation), worker_id="gpu-1"
    )
    shown = await keys.authenticate(token)
    await entrance.tokens.take_back(shown.token_id)
    root = gateway.signer.root
    private = entrance.tokens.keys.signing(gateway.clock.now()).key.private_bytes_raw()
    texts = [key, token, invitation, second, worker_key]
    parts = [text.split("_", 2)[2] for text in (key, invitation, second, worker_key)] + token.split(".")
    raws = [root, private]
    spelt = [form(raw) for raw in raws for form in (bytes.hex, base64.b64encode, base64.urlsafe_b64encode)]
    plain = [text.encode() if isinstance(text, str) else text for text in (*texts, *parts, *spelt)]
    return [*raws, *(text.rstrip(b"=") for text in plain)]


async def test_s22_sqlite(tmp_path: Path) -> None:
    gateway = build(Settings(data_dir=str(tmp_path)))
    await gateway.start()
    try:
        secrets = await secrets_of_a_busy_day(gateway)
    finally:
        await gateway.stop()
    dump = await asyncio.to_thread(everything_in, tmp_path)
    assert b"gpu-1" in dump
    assert [secret for secret in secrets if secret in dump] == []


async def test_s22_postgres(tmp_path: Path, postgres_url: str) -> None:
    gateway = build(Settings(data_dir=str(tmp_path), database=DatabaseSettings(url=Url(postgres_url))))
    await gateway.start()
    try:
        secrets = await secrets_of_a_busy_day(gateway)
    finally:
        await gateway.stop()
    dump = await asyncio.to_thread(dumped, postgres_url)
    assert b"gpu-1".hex().encode() in dump
    hidden = [form for secret in secrets for form in (secret, secret.hex().encode())]
    assert [secret for secret in hidden if secret in dump] == []


def everything_in(folder: Path) -> bytes:
    """Every file of a data directory but the root secret's own."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != "identity.secret"]
    return b"".join(file.read_bytes() for file in files)


def dumped(url: str) -> bytes:
    """The whole database as text; binary columns in hex."""
    done = subprocess.run([binaries() / "pg_dump", url], capture_output=True, timeout=60, check=True)
    return done.stdout
