"""S32 with services behind the gateway: strangers see no route, no name and no error of theirs."""

from __future__ import annotations

import pytest

from taskgate import __version__
from tests.system.proxy.fronts import Front
from tests.system.proxy.raw import Heard, say
from tests.system.proxy.recorder import Recorder

pytestmark = [pytest.mark.security, pytest.mark.system]

PATHS = ["/up/x", "/up/", "/up", "/nowhere/x", "/gateway/services", "/gateway/routes", "/openapi.json", "/postman.json"]


def called(front: Front, method: str, path: str, *, lines: bytes = b"") -> Heard:
    return say(front.port, f"{method} {path} HTTP/1.1\r\nHost: a\r\n".encode() + lines + b"\r\n", methods=[method])


@pytest.mark.parametrize("path", PATHS)
def test_a_stranger_cannot_tell_what_is_there(front: Front, recorder: Recorder, path: str) -> None:
    """INV-A4: 401 for a route as for no route, before anything is forwarded."""
    before = len(recorder.requests)
    (answer,) = called(front, "GET", path).answers
    assert answer.status == 401
    assert b"UNAUTHENTICATED" in answer.body
    assert len(recorder.requests) == before


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "DEBUG"])
def test_no_method_echoes_what_was_added(front: Front, recorder: Recorder, method: str) -> None:
    heard = called(front, method, "/up/x", lines=front.lines + b"X-Secret: echo-me\r\n")
    assert b"echo-me" not in heard.raw
    assert b"x-forwarded-for" not in heard.raw.lower()
    assert method != "TRACE" or heard.statuses == [405]


def test_answers_of_ours_name_no_software(front: Front) -> None:
    for path in ("/up/x", "/nowhere", "/up/a%2fb"):
        for lines in (b"", front.lines):
            shown = called(front, "GET", path, lines=lines).raw.decode("latin-1").lower()
            assert __version__ not in shown
            for word in ("uvicorn", "python/", "httptools", "fastapi", "traceback"):
                assert word not in shown
