"""S15: what belongs to one connection goes no further, and a caller cannot take away what we say about it."""

from __future__ import annotations

import uuid

import pytest

from tests.system.proxy.fronts import Front
from tests.system.proxy.raw import Heard, say
from tests.system.proxy.recorder import Recorder, Request

pytestmark = [pytest.mark.security, pytest.mark.system]

HOPS = [
    "Connection: close", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "Proxy-Authorization: Basic eDp5",
    "Proxy-Authenticate: Basic", "TE: trailers, deflate", "Trailer: X-Sum", "Upgrade: h2c\r\nConnection: Upgrade",
    "Connection: HTTP2-Settings, Upgrade\r\nHTTP2-Settings: AAMAAABk\r\nUpgrade: h2c",
]  # fmt: skip
NEVER_SEEN = {
    "connection", "keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate", "te", "trailer",
    "upgrade", "http2-settings",
}  # fmt: skip
OURS = ("Via", "X-Request-Id", "X-Forwarded-For", "Host", "Forwarded", "Traceparent", "X-Site-Id", "X-Forwarded-Proto")


def called(
    front: Front, recorder: Recorder, *lines: str, method: str = "GET", body: bytes = b""
) -> tuple[Heard, list[Request]]:
    mark = uuid.uuid4().hex
    head = f"{method} /up/{mark} HTTP/1.1\r\nHost: api.example\r\n".encode() + front.lines
    heard = say(front.port, head + b"".join(line.encode() + b"\r\n" for line in lines) + b"\r\n" + body)
    return heard, recorder.seen(mark)


@pytest.mark.parametrize("line", HOPS)
def test_hops_are_not_passed_on(front: Front, recorder: Recorder, line: str) -> None:
    heard, seen = called(front, recorder, line)
    assert heard.statuses == [200]
    assert not {name.lower() for name, _ in seen[0].headers} & NEVER_SEEN


@pytest.mark.parametrize("form", ["{}", "{}, keep-alive", "close, {}", " ,{},,", "X-Other,{}"])
def test_a_named_header_is_gone(front: Front, recorder: Recorder, form: str) -> None:
    name = "X-Private"
    heard, seen = called(front, recorder, f"Connection: {form.format(name)}", f"{name}: 1", "x-private: 2", "X-Kept: 1")
    assert heard.statuses == [200]
    assert seen[0].all("x-private") == []
    assert seen[0].all("x-kept") == ["1"]


@pytest.mark.parametrize("name", OURS)
def test_what_we_say_cannot_be_named_away(front: Front, recorder: Recorder, name: str) -> None:
    _, (plain,) = called(front, recorder)
    _, (named,) = called(front, recorder, f"Connection: {name}")
    assert {key.lower() for key, _ in named.headers} == {key.lower() for key, _ in plain.headers}
    assert named.all("via")
    assert named.all("x-forwarded-for") + named.all("forwarded")


def test_framing_named_in_connection_stays(front: Front, recorder: Recorder) -> None:
    lines = ("Connection: Content-Length, Transfer-Encoding, Content-Type", "Content-Type: a/b", "Content-Length: 5")
    heard, seen = called(front, recorder, *lines, method="POST", body=b"hello")
    assert heard.statuses[0] in (200, 400)
    assert [request.body for request in seen] in ([b"hello"], [])


@pytest.mark.parametrize("name", ["X-API-Key", "Authorization", "X-Site-Id, X-API-Key, Host"])
def test_a_credential_named_in_connection_is_no_way_round(front: Front, recorder: Recorder, name: str) -> None:
    """It counts, or the call is refused; it is never forwarded."""
    heard, seen = called(front, recorder, f"Connection: {name}", "Authorization: Bearer caller-secret")
    assert heard.statuses[0] in (200, 400, 401)
    assert all(not request.all("x-api-key") and not request.all("authorization") for request in seen)


def test_hops_of_an_answer_are_not_passed_on(front: Front, recorder: Recorder) -> None:
    mark = uuid.uuid4().hex
    recorder.answers[mark] = (
        b"HTTP/1.1 200 OK\r\nConnection: X-Inside, keep-alive\r\nX-Inside: 1\r\nKeep-Alive: 5\r\n"
        b"Proxy-Authenticate: x\r\nUpgrade: h2c\r\nTrailer: X-Sum\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\nok"
    )
    head = f"GET /up/{mark} HTTP/1.1\r\nHost: api.example\r\n".encode() + front.lines + b"\r\n"
    (answer,) = say(front.port, head).answers
    assert {"x-inside", "upgrade", "proxy-authenticate", "trailer"} & {name for name, _ in answer.headers} == set()
    assert answer.get("x-kept") == "1"
    assert answer.body == b"ok"
