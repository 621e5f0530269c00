"""S14: a path is routed, authorised and forwarded as one; what two servers could read differently is refused.

The oracle is what the upstream saw: decoded and normalised as a careless server would, it must be what was allowed.
"""

from __future__ import annotations

import posixpath
from urllib.parse import unquote

import pytest

from tests.system.proxy.fronts import Front, ask
from tests.system.proxy.raw import Heard, say
from tests.system.proxy.recorder import Recorder

pytestmark = [pytest.mark.security, pytest.mark.system]

DOUBTFUL = [
    "/up/a/..%2f..%2fadmin", "/up/a/..%2F..%2Fadmin", "/up/../gateway/services", "/up/a/../b", "/up/./a", "/up/a/.",
    "/up/a/..", "/up/%2e/a", "/up/%2e%2e/a", "/up/%2E%2e/a", "/up/.%2e/a", "//up/a", "/up//a", "/up/a//", "/up/a%2fb",
    "/up/a%5cb", "/up/a\\b", "/up/..\\a", "/up/%c0%af", "/up/%c0%ae%c0%ae/a", "/up/%e0%80%af", "/up/%zz", "/up/%",
    "/up/%4", "/up/a%00", "/up/a%0d%0ab", "/up/a%7f", "/up/%u002e/a", "/up/a;b/../c", "/%75p/../x", "/up/%ff",
    "/up/..;/admin", "/up/a%3b/..%2f",
]  # fmt: skip
PLAIN = [
    "/up/%41", "/up/%c3%a4", "/up/%C3%A4", "/up/%252e%252e", "/up/a+b", "/up/a%20b", "/up/...", "/up/~a", "/up/a:b@c",
]  # fmt: skip
DISGUISES = [
    "/up/secret", "/up/./secret", "/up/x/../secret", "/up/%73ecret", "/up/s%65cret", "/up//secret", "/up/secret/",
    "/up/secret;x", "/up/secret%00", "/up/SECRET", "/up/secret%20", "/up/secret.", "/up/x/%2e%2e/secret",
    "/up/%2fsecret",
    "/up/secret?", "/up/secret#", "/up/secret%3f", "/up/secret%23", "/up/secret/.", "/up/secret%2f", "/%75p/secret",
    "/up/x/..%2fsecret", "/up/x\\..\\secret", "/up/secret//",
]  # fmt: skip


def called(front: Front, path: str, *, key: str = "") -> Heard:
    credential = f"X-API-Key: {key}\r\n".encode() if key else front.lines
    sent = b"GET " + path.encode() + b" HTTP/1.1\r\nHost: api.example\r\n" + credential + b"Connection: close\r\n\r\n"
    return say(front.port, sent)


@pytest.mark.parametrize("path", DOUBTFUL)
def test_a_doubtful_path_reaches_nobody(front: Front, recorder: Recorder, path: str) -> None:
    before = len(recorder.requests)
    heard = called(front, path)
    assert heard.statuses[0] in (400, 404)
    assert len(recorder.requests) == before


@pytest.mark.parametrize("path", PLAIN)
def test_a_plain_path_arrives_as_it_was_written(front: Front, recorder: Recorder, path: str) -> None:
    before = len(recorder.requests)
    assert called(front, path).statuses == [200]
    assert [request.target for request in recorder.requests[before:]] == [path.removeprefix("/up")]


def meant(target: str) -> str:
    """What a careless server would serve: decoded twice, normalised, without parameters."""
    path = unquote(unquote(target.partition("?")[0])).replace("\\", "/").partition(";")[0].partition("\x00")[0]
    normal = posixpath.normpath("/" + path.lstrip("/"))
    return normal + "/" if path.endswith("/") and normal != "/" else normal


@pytest.fixture(scope="module")
def plain_key(front: Front, recorder: Recorder) -> str:
    """A key that may call everything below /up but the route `secret`, which is for admins."""
    routes = [
        {"name": "all", "method": "*", "gateway_path": "/up/{rest:path}", "upstream_path": "/{rest:path}"},
        {
            "name": "secret", "method": "*", "gateway_path": "/up/secret", "upstream_path": "/secret",
            "policy": {"scope": "admin"},
        },
    ]  # fmt: skip
    told = {"name": "up", "base_url": f"http://127.0.0.1:{recorder.port}", "routes": routes, "lease_s": 3600}
    status, answer = ask(front.url, "POST", "/gateway/register", key=front.credential, body=told)
    assert status in (200, 201), answer
    status, answer = ask(
        front.url, "POST", "/v1/keys", key=front.credential, body={"name": "plain", "scopes": ["submit", "read"]}
    )
    assert status == 201, answer
    return str(answer["key"])


@pytest.mark.parametrize("path", DISGUISES)
def test_no_disguise_opens_a_guarded_route(front: Front, recorder: Recorder, plain_key: str, path: str) -> None:
    before = len(recorder.requests)
    heard = called(front, path, key=plain_key)
    seen = [request.target for request in recorder.requests[before:]]
    assert [target for target in seen if meant(target) == "/secret"] == [], heard.statuses
    assert heard.statuses[0] in (200, 400, 403, 404)


def test_the_guarded_route_is_there(front: Front, recorder: Recorder, plain_key: str) -> None:
    """Shut for a plain key, open for an admin: else the tests above would prove nothing."""
    assert called(front, "/up/secret", key=plain_key).statuses == [403]
    assert called(front, "/up/secret").statuses == [200]
    assert called(front, "/up/other", key=plain_key).statuses == [200]
