"""`record` end to end: calls through a real gateway to real upstreams, then read at GET /gateway/calls."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import urllib3

from tests.edge.http.house import FREE
from tests.edge.http.serving import Served

WITHIN_S = 15.0


class Upstream(BaseHTTPRequestHandler):
    """The first server answers 503; the second 200 with what it got and a token of its own."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave in one write

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["content-length"]))
        fails = self.path in ("/first", "/fails")
        body = json.dumps({"got": json.loads(sent), "access_token": "upstreams-own-token"}).encode()
        self.send_response(503 if fails else 200)
        for name, value in (("content-type", "application/json"), ("content-length", str(len(body))),
                            ("set-cookie", "session=abcdefghijkl")):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on the screen."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture(scope="module")
def served(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    chain = {"to": [{"upstream": f"{upstream}/second"}]}
    routes = [
        {"name": name, "method": "POST", "gateway_path": f"/v1/kept/{name}", "upstream_path": path, "policy": policy}
        for name, path, policy in (
            ("all", "/fine", {"record": "all"}),
            ("failures", "/fine", {"record": "failures"}),
            ("failing", "/fails", {"record": "failures", "breaker": {"failures": 0}}),
            ("chain", "/first", {"record": "all", "repeatable": True, "fallback": chain}),
            ("none", "/fine", {}),
        )
    ]
    with Served(tmp_path_factory.mktemp("served"), FREE) as made:
        body = {"name": "kept", "base_url": upstream, "routes": routes, "lease_s": 0}
        status, told = post(made, "/gateway/register", body, key=made.key("admin"))
        assert status == 200, told
        yield made


def post(served: Served, path: str, body: Any, *, key: str, **headers: str) -> tuple[int, Any]:
    reply = urllib3.request("POST", served.url + path, json=body, headers={"X-API-Key": key, **headers}, retries=False)
    return reply.status, reply.json()


def calls(served: Served, key: str, request_id: str, *, count: int = 1) -> list[Any]:
    """The recorded calls of that request, once there are so many."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        reply = urllib3.request("GET", f"{served.url}/gateway/calls?limit=100", headers={"X-API-Key": key})
        found = [one for one in reply.json()["calls"] if one["request_id"].startswith(request_id)]
        if len(found) >= count:
            return [
                urllib3.request("GET", f"{served.url}/gateway/calls/{one['id']}", headers={"X-API-Key": key}).json()
                for one in found
            ]
        assert time.monotonic() < deadline, f"{len(found)} of {count} calls were kept"
        time.sleep(0.02)


def test_all_keeps_both_directions_masked(served: Served, upstream: str) -> None:
    key = served.key("submit", "read", "register")
    sent = {"a": 1, "password": "correct horse battery"}
    status, answer = post(served, "/v1/kept/all?q=1&signature=in-the-query", sent, key=key, **{"X-Request-Id": "r-all"})
    assert (status, answer["got"]) == (200, sent)  # the caller gets it unchanged
    (call,) = calls(served, key, "r-all")
    assert (call["service"], call["route"], call["status"], call["attempt_count"]) == ("kept", "all", 200, 1)
    assert json.loads(call["request"]["body"])["a"] == 1
    (attempt,) = call["attempts"]
    assert (attempt["upstream"], attempt["status"]) == (upstream, 200)
    assert json.loads(attempt["response"]["body"])["got"]["a"] == 1
    whole = json.dumps(call)
    for secret in (key, "correct horse", "in-the-query", "upstreams-own-token", "abcdefghijkl"):
        assert secret not in whole
    assert "q=1" in call["target"]


def test_every_attempt_of_a_chain_is_kept(served: Served, upstream: str) -> None:
    key = served.key("submit", "read", "register")
    status, answer = post(served, "/v1/kept/chain", {"a": 2}, key=key, **{"X-Request-Id": "r-chain"})
    assert (status, answer["got"]) == (200, {"a": 2})
    (call,) = calls(served, key, "r-chain")
    first, second = call["attempts"]
    assert (first["number"], first["status"], first["moved_on_because"]) == (1, 503, "5xx")
    assert json.loads(first["response"]["body"])["got"] == {"a": 2}
    assert (second["number"], second["status"], second["moved_on_because"]) == (2, 200, "")
    assert json.loads(second["response"]["body"])["got"] == {"a": 2}


def test_failures_keeps_failures_alone(served: Served) -> None:
    """What is fine, and what a route without `record` does, leaves nothing behind."""
    key = served.key("submit", "read", "register")
    for name, wanted in (("failures", 200), ("none", 200), ("failing", 503)):
        assert post(served, f"/v1/kept/{name}", {"a": 3}, key=key, **{"X-Request-Id": "r-fail"})[0] == wanted
    (call,) = calls(served, key, "r-fail")
    assert (call["route"], call["status"]) == ("failing", 503)
    assert call["attempts"][0]["response"]["body"].startswith('{"got": {"a": 3}')
