"""S22, INV-A6: canaries. Every kind of credential is used, and misused, at a whole gateway; then its logs in both
forms, its answers, its numbers, its audit log and its files are searched for every one of them."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskgate.assembly import build
from taskgate.config import Settings
from taskgate.edge.http.auditing import DEEDS
from taskgate.identity.settings import AuthSettings
from taskgate.secret import Secret, Url
from taskgate.stores.settings import DatabaseSettings
from taskgate.telemetry.logs import JsonFormat, TextFormat
from tests.edge.http.house import FREE, House
from tests.edge.http.test_canaries import files_that_hold

pytestmark = pytest.mark.security
ROOT = "5ec0de" * 10 + "beef"


@pytest.fixture
def logged() -> Iterator[list[io.StringIO]]:
    """Everything that is logged, as text and as JSON."""
    root, outs = logging.getLogger(), [io.StringIO(), io.StringIO()]
    before = root.level
    handlers = [logging.StreamHandler(out) for out in outs]
    for handler, form in zip(handlers, (TextFormat(), JsonFormat()), strict=True):
        handler.setFormatter(form)
        root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield outs
    root.setLevel(before)
    for handler in handlers:
        root.removeHandler(handler)


async def busy_day(house: House) -> tuple[dict[str, str], bytes]:
    """Every kind of credential, made and used at its door and at wrong ones; the credentials, and all answers that do
    not hand one out."""
    admin = await house.key("admin", "submit", "read", "metrics")
    told: dict[str, str] = {"key": admin}
    told["token"] = (await house.ask("POST", "/v1/tokens", {}, key=admin)).told["token"]
    told["join"] = (await house.ask("POST", "/v1/tokens", {"kind": "join"}, key=admin)).told["token"]
    told["second join"] = (await house.ask("POST", "/v1/tokens", {"kind": "join"}, key=admin)).told["token"]
    joined = await house.ask("POST", "/v1/tokens/join", {"worker_id": "gpu-1"}, key=told["join"])
    told["worker"] = joined.told["key"]
    told["ticket"] = (await house.ask("POST", "/v1/tickets", key=admin)).told["ticket"]
    replies = []
    for number, text in enumerate(told.values()):
        house.address = f"198.51.100.{number}"
        wrongs: list[dict[str, Any]] = [
            {"path": "/v1/runs", "headers": [("Authorization", f"Basic {text}")]},
            {"path": "/v1/runs", "headers": [("X-API-Key", f"{text[:-1]}!")]},
            {"path": f"/v1/runs?token={text}"},
            {"path": f"/v1/runs?x={text}", "key": admin},
            {"path": f"/v1/runs/{text}", "key": admin},
            {"path": "/v1/runs", "headers": [("X-API-Key", text), ("traceparent", text)]},
        ]
        replies += [await house.ask("GET", **wrong) for wrong in wrongs]
        body = b'{"name":"' + text.encode() + b'","scopes":["fly"]'
        doors = ("/v1/tokens", "/v1/tokens/join", "/v1/tokens/revoke", "/v1/keys")
        replies += [await house.ask("POST", door, body, key=admin) for door in doors]
        replies.append(await house.ask("POST", "/v1/tokens/join", {"worker_id": "gpu-1"}, key=told["join"]))
    for path in ("/metrics", "/gateway/audit?limit=200", "/gateway/audit/export", "/gateway/workers", "/v1/keys"):
        replies.append(await house.ask("GET", path, key=admin))
        assert replies[-1].status == 200, path
    shown = [reply for reply in replies if b"/v1/runs/" not in reply.body]  # a problem names the address asked for
    return told, b"".join(reply.body + repr(reply.raw_headers).encode() for reply in shown)


def hidden_in(told: dict[str, str]) -> dict[str, list[str]]:
    """What must be found nowhere, of each: the secret part, whole; of a token also its signature alone."""
    parts = {name: [text.split("_", 2)[-1]] for name, text in told.items() if text.startswith("tg")}
    token = told["token"]
    return parts | {"ticket": [told["ticket"]], "token": [token, token.rpartition(".")[2]], "root": [ROOT]}


async def test_no_canary_sings(tmp_path: Path, logged: list[io.StringIO]) -> None:
    settings = Settings(
        data_dir=str(tmp_path),
        auth=AuthSettings(root_secret=Secret(ROOT)),
        database=DatabaseSettings(url=Url(f"sqlite:{tmp_path}")),
    )
    gateway = build(settings)
    await gateway.start()
    try:
        house = House(gateway)
        await house.define(FREE)
        told, answers = await busy_day(house)
        hidden = hidden_in(told)
        logging.getLogger("taskgate.test").warning("%s and %r", told, settings)
    finally:
        await gateway.stop()
    found: dict[str, Any] = {}
    places = {"text": logged[0].getvalue(), "json": logged[1].getvalue(), "answers": answers.decode("latin-1")}
    assert all("taskgate" in place for place in places.values())
    for name, words in hidden.items():
        found |= {f"{name} in {where}": word for where, place in places.items() for word in words if word in place}
        found |= {f"{name} in {file}": "" for file in files_that_hold(tmp_path, words) if file != "root.key"}
    assert found == {}
    assert ROOT not in repr(settings)


def test_no_deed_keeps_a_member_that_may_be_secret() -> None:
    for told in DEEDS.values():
        assert not {"key", "token", "ticket", "secret", "result", "input", "output"} & set(told.members)
