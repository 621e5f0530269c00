"""S16 at a service behind the gateway: identity and forwarding headers that arrive are ours, whatever was sent.

The key may not assert a tenant; for one that may, the three headers are its right.
"""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from tests.security.s16_spoofed_headers import SPOOFED
from tests.system.proxy.fronts import Front, ask
from tests.system.proxy.raw import say
from tests.system.proxy.recorder import Recorder, Request

pytestmark = [pytest.mark.security, pytest.mark.system]

EVIL = "evil-value"
MORE = [
    ("X-Real-IP", EVIL), ("X-Client-IP", EVIL), ("True-Client-IP", EVIL), ("X-Forwarded-Port", EVIL),
    ("X-Forwarded-Prefix", EVIL), ("X_Forwarded_For", EVIL), ("x-API_key", EVIL), ("X-Site_Id", EVIL),
]  # fmt: skip
OF_IDENTITY = {"x-site-id", "x-user-id", "x-app-id", "x-api-key", "x-forwarded-for", "x-forwarded-host", "forwarded"}


@pytest.fixture(scope="module")
def plain(front: Front) -> Front:
    """The same gateway for a caller whose key may assert nothing."""
    status, answer = ask(
        front.url, "POST", "/v1/keys", key=front.credential, body={"name": "plain", "scopes": ["submit", "read"]}
    )
    assert status == 201, answer
    return replace(front, credential=answer["key"])


def seen_by_upstream(front: Front, recorder: Recorder, *headers: tuple[str, str]) -> Request:
    mark = uuid.uuid4().hex
    lines = b"".join(f"{name}: {value}\r\n".encode() for name, value in headers)
    sent = f"GET /up/{mark} HTTP/1.1\r\nHost: api.example\r\n".encode() + front.lines + lines + b"\r\n"
    assert say(front.port, sent).statuses == [200]
    (request,) = recorder.seen(mark)
    return request


@pytest.mark.parametrize("name", sorted({name for name, _ in (*SPOOFED, *MORE)}))
def test_no_spoofed_value_arrives(plain: Front, recorder: Recorder, name: str) -> None:
    """Sent once, twice, and between two spaces; under the name with dashes and with underscores."""
    seen = seen_by_upstream(plain, recorder, (name, EVIL), (name.lower(), f" {EVIL} "), (name.replace("-", "_"), EVIL))
    arrived = {key.lower() for key, value in seen.headers if EVIL in value}
    assert {key.replace("_", "-") for key in arrived} & OF_IDENTITY == set()
    assert not any("_" in key for key in arrived)


def test_what_is_ours_is_said_once(plain: Front, recorder: Recorder) -> None:
    honest = seen_by_upstream(plain, recorder)
    spoofed = seen_by_upstream(plain, recorder, *SPOOFED, *MORE)
    for name in sorted(OF_IDENTITY):
        assert spoofed.all(name) == honest.all(name)
        assert len(honest.all(name)) <= 1
    assert honest.all("x-forwarded-for") == ["127.0.0.1"]
