"""Secrets stay where they are: not in logs, answers, errors, the journal or the store (INV-A6, S22, S38)."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from taskgate.assembly import build
from taskgate.config import Settings
from taskgate.secret import Url
from taskgate.stores.settings import DatabaseSettings
from tests.edge.http.house import ECHO, FREE, House


async def misuse(house: House, key: str, wrong: str) -> list[bytes]:
    """Every way in which a caller shows a credential at the wrong place; the answers, with their headers."""
    bad = '{"input": {"n": "' + key + '"}}'
    replies = [
        await house.ask("GET", "/v1/runs", key=wrong),
        await house.ask("GET", "/v1/runs", key=key, headers=[("Authorization", f"Bearer {wrong}")]),
        await house.ask("GET", f"/v1/runs?api_key={key}"),
        await house.ask("GET", f"/v1/runs?x={key}", key=key),
        await house.ask("GET", "/v1/runs", headers=[("Authorization", f"Basic {key}")]),
        await house.ask("POST", "/v1/tasks/demo.echo/runs", bad.encode() + b"x", key=key),
        await house.ask("GET", "/v1/runs", key=key, headers=[("X-Request-Id", "ok"), ("traceparent", key)]),
    ]
    return [reply.body + repr(reply.raw_headers).encode() for reply in replies]


async def test_no_secret_is_told_or_logged(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-A6: logs at every level, answers and their headers."""
    key = await house.key("submit", "read")
    wrong = key[:16] + "W" * 43
    with caplog.at_level(logging.DEBUG):
        answers = await misuse(house, key, wrong)
        monkeypatch.setattr(house.gateway.definitions, "visible", broken)
        house.address = "198.51.100.1"
        answers.append((await house.ask("GET", "/v1/tasks", key=key)).body)
    told = b"".join(answers).decode() + caplog.text
    assert "ZeroDivisionError" in caplog.text
    for secret in (key[16:], "W" * 43):
        assert secret not in told


def broken(*_: object) -> list[object]:
    raise ZeroDivisionError


async def test_no_secret_is_stored(tmp_path: Path) -> None:
    """INV-A6, S22: the files of the database hold neither a key's text nor its secret."""
    settings = Settings(data_dir=str(tmp_path), database=DatabaseSettings(url=Url(f"sqlite:{tmp_path}")))
    gateway = build(settings)
    await gateway.start()
    try:
        house = House(gateway)
        await house.define(ECHO, FREE)
        key = await house.key("submit", "read", "admin")
        ticket = (await house.ask("POST", "/v1/tickets", key=key)).told["ticket"]
        made = (await house.ask("POST", "/v1/keys", {"name": "x", "scopes": ["read"]}, key=key)).told["key"]
        await house.ask("POST", "/v1/tasks/demo.free/runs", {"input": 1}, key=key)
    finally:
        await gateway.stop()
    assert files_that_hold(tmp_path, [key[16:], made[16:], ticket]) == []
    assert files_that_hold(tmp_path, ["demo.free"]) != []


def files_that_hold(folder: Path, words: list[str]) -> list[str]:
    """Files with one of the words, as bytes or in a row of a database."""
    found: list[str] = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = file.read_bytes().decode("latin-1")
        if content.startswith("SQLite format 3"):
            with closing(sqlite3.connect(file)) as connection:
                content += "\n".join(connection.iterdump())
        found += [file.name for word in words if word in content]
    return found


async def test_the_masks_hold(house: House) -> None:
    """What a developer would print shows no secret either."""
    key = await house.key("read")
    principal = await house.gateway.keys.authenticate(key)
    records = await house.gateway.keys.all()
    assert key[16:] not in repr(principal) + repr(records)
