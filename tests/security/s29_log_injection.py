"""S29: nothing that a stranger sends becomes a line of the log, moves a terminal, or fills it.

The log of a real gateway is read after every field of a request has carried every nasty text.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.system.cluster import GatewayProcess
from tests.system.proxy.fronts import register
from tests.system.proxy.raw import say
from tests.system.proxy.recorder import recording

pytestmark = [pytest.mark.security, pytest.mark.system]

MARK = "fo-r-ged"
NASTY = [
    f"\n12:00:00.000 info    taskgate: {MARK}", f"\r\n12:00:00.000 info    taskgate: {MARK}",
    f"\x1b[31m{MARK}\x1b]0;x\x07", f"${{jndi:ldap://x/{MARK}}}", f"%(levelname)s%s%n{MARK}", f"\u202e{MARK}",
    f"\u2028{MARK}", f"<script>{MARK}</script>", f"\x85{MARK}", f"\x9b31m{MARK}", "x" * 60_000 + MARK,
    f"{{0.__class__}}{MARK}", f'"}}\n{{"level":"info","message":"{MARK}',
]  # fmt: skip
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def requests(lines: bytes, text: str) -> list[bytes]:
    """The text in every place of a request."""
    raw = text.encode()
    end = b"\r\nHost: a\r\n" + lines
    return [
        b"GET /" + raw + b" HTTP/1.1" + end + b"\r\n",
        b"GET /up/" + raw + b" HTTP/1.1" + end + b"\r\n",
        raw + b" / HTTP/1.1" + end + b"\r\n",
        b"GET /up/x HTTP/1.1\r\nHost: " + raw + b"\r\n" + lines + b"\r\n",
        b"GET /up/x HTTP/1.1" + end + b"X-A: " + raw + b"\r\n\r\n",
        b"GET /up/x HTTP/1.1" + end + b"X-Request-Id: " + raw + b"\r\ntraceparent: " + raw + b"\r\n\r\n",
        b"GET /up/x HTTP/1.1" + end + b"User-Agent: " + raw + b"\r\nX-Forwarded-For: " + raw + b"\r\n\r\n",
        b"GET /up/x HTTP/1.1\r\nHost: a\r\nX-API-Key: " + raw + b"\r\n\r\n",
        b"POST /up/x HTTP/1.1" + end + b"Transfer-Encoding: chunked\r\n\r\n" + raw + b"\r\n",
        b"POST /v1/tasks/" + raw + b"/runs HTTP/1.1" + end + b"Content-Length: 2\r\n\r\n{}",
        raw,
    ]


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_log_stays_ours(tmp_path: Path, form: str) -> None:
    gateway = GatewayProcess(tmp_path / "data", settings={"TASKGATE_LOG__FORMAT": form, "TASKGATE_LOG__LEVEL": "debug"})
    gateway.start()
    try:
        with recording() as recorder:
            register(gateway, "up", recorder.port)
            recorder.answers["x"] = b"HTTP/1.1 200 OK\x1b[31m\r\nX-A\n" + MARK.encode() + b"\r\n\r\n"
            lines = f"X-API-Key: {gateway.admin_key}\r\n".encode()
            for text in NASTY:
                for sent in requests(lines, text):
                    say(gateway.port, sent, within_s=3, quiet_s=0.02)
        key = gateway.admin_key
        assert gateway.stop() == 0
    finally:
        gateway.kill()
    log = gateway.log()
    assert CONTROL.findall(log) == []
    assert key not in log
    for line in log.splitlines():
        assert len(line) < 20_000
        assert not line.startswith(f"12:00:00.000 info    taskgate: {MARK}")
        if form == "json":
            assert json.loads(line)["message"] != MARK
    assert log.count("Traceback") <= 20
