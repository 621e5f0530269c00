"""A small gateway on a real socket: it registers, renews, withdraws and forgets, and remembers every word."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "tg_register"


class StandIn:
    """What a service sees of a gateway. `refusal` is (status, problem) while it takes nothing."""

    def __init__(self, port: int = 0, *, renew_after_s: float = 0.05) -> None:
        self.words: list[tuple[str, str]] = []
        self.services: dict[str, dict[str, Any]] = {}
        self.keys: set[str] = set()
        self.refusal: tuple[int, dict[str, Any]] | None = None
        self.renew_after_s = renew_after_s
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _answering(self))
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def forget(self) -> None:
        """As after a restart without a book."""
        with self._changed:
            self.services.clear()

    def until(self, claim: Callable[[], object], within_s: float = 10.0) -> None:
        """Return once the claim holds; it is looked at after every word."""
        deadline = time.monotonic() + within_s
        with self._changed:
            while not claim():
                assert self._changed.wait(max(0.0, deadline - time.monotonic())), self.words

    def heard(self, method: str) -> int:
        return sum(word[0] == method for word in self.words)

    def take(self, method: str, path: str, body: bytes, key: str) -> tuple[int, dict[str, Any]]:
        with self._changed:
            self.words.append((method, path))
            self.keys.add(key)
            try:
                return self.refusal or self._settle(method, path, body)
            finally:
                self._changed.notify_all()

    def _settle(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if (method, path) == ("POST", "/gateway/register"):
            told = json.loads(body)
            self.services[told["name"]] = told
            routes = [f"{route['method']} {route['gateway_path']}" for route in told.get("routes", [])]
            lease_s = told.get("lease_s", 30.0)
            lease = {"lease_s": lease_s, "renew_after_s": self.renew_after_s if lease_s else 0.0}
            return 200, {"service": told["name"], "routes": routes, "warnings": ["no summary"], **lease}
        if method == "GET":
            listed = {"/gateway/services": self._services, "/gateway/routes": self._routes}[path]
            return 200, {path.rpartition("/")[2]: listed()}
        name = path.removeprefix("/gateway/services/").removesuffix("/lease")
        if name not in self.services:
            return 404, {"code": "NOT_FOUND", "detail": "there is no such service"}
        if method == "DELETE":
            del self.services[name]
        return 200, {"lease_s": 30.0, "renew_after_s": self.renew_after_s}

    def _services(self) -> list[dict[str, Any]]:
        return [
            {**told, "routes": [route["name"] for route in told.get("routes", [])], "status": "up", "lease_s": 30.0}
            for told in self.services.values()
        ]

    def _routes(self) -> list[dict[str, Any]]:
        return [{**route, "service": name} for name, told in self.services.items() for route in told.get("routes", [])]


def _answering(standin: StandIn) -> type[BaseHTTPRequestHandler]:
    """Hands every request to the stand-in."""

    class Conversation(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self._answer()

        def do_PUT(self) -> None:
            self._answer()

        def do_DELETE(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content = standin.take(self.command, self.path, body, self.headers.get("X-API-Key") or "")
            told = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def do_GET(self) -> None:
            self._answer()

        def log_message(self, *_: Any) -> None:
            """Nothing: pytest shows what matters."""

    return Conversation


def eventually(claim: Callable[[], object], within_s: float = 10.0) -> None:
    """Return once the claim holds."""
    deadline = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
