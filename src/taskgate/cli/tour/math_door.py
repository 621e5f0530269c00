"""Starts the math service beside the gateway of `taskgate up`, with a key that registers it and nothing else.

The key lies in the data directory for the next start, readable by its owner alone.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from taskgate import Client
from taskgate.cli.tour.household import START_S, Household
from taskgate.errors import Unauthenticated, Unavailable

NAME = "math"
MODULE = "taskgate.cli.tour.math"
PREFIX = "/v1/ai/math"


def start_math(household: Household, client: Client, *, url: str, port: int) -> str:
    """Start it and wait until its routes are there; the service's own URL."""
    port = port or _free_port()
    base_url = f"http://127.0.0.1:{port}"
    env = {
        "GATEWAY_URL": url,
        "TASKGATE_API_KEY": own_key(household.data_dir / "math.key", client, url=url),
        "SERVICE_NAME": NAME,
        "SERVICE_BASE_URL": base_url,
        "GATEWAY_PREFIX": "",
    }
    household.start(NAME, ["--port", str(port)], module=MODULE, env=env)
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and not household.has_ended(NAME):
        if any(service.base_url == base_url and service.status == "up" for service in client.services.all()):
            return base_url
        time.sleep(0.05)
    raise Unavailable(f"the math service did not come: {household.last_words(NAME)}", code="SERVICE_DID_NOT_START")


def own_key(path: Path, client: Client, *, url: str) -> str:
    """The key of the last start while it is good, else a new one."""
    if path.exists():
        text = path.read_text(encoding="ascii").strip()
        try:
            with Client(url, text) as own:
                own.tasks.all()
        except Unauthenticated:
            path.unlink()
        else:
            return text
    made = client.keys.create("demo math service", ["register", "submit", "read"], kind="service", prefixes=[PREFIX])
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(made.key + "\n")
    return str(made.key)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
