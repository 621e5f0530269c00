"""`taskgate services` and `routes`: an application that cannot be changed is registered from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.flows.cli.conftest import Run
from tests.flows.service.standin import StandIn

BASE = ("--base-url", "http://127.0.0.1:9")
DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "Small Shop", "version": "1"},
    "paths": {"/orders/{id}": {"get": {"summary": "One order"}, "delete": {}}, "/orders": {"post": {}}},
}
APPLICATION = """
from fastapi import FastAPI
app = FastAPI(title="Clock")
@app.get("/now", summary="Now")
def now() -> int:
    return 0
"""


@pytest.fixture
def gateway() -> Iterator[StandIn]:
    made = StandIn()
    yield made
    made.close()


@pytest.fixture
def document(tmp_path: Path) -> Path:
    file = tmp_path / "shop.json"
    file.write_text(json.dumps(DOCUMENT))
    return file


def register(run: Run, gateway: StandIn, source: Any, *more: str) -> Any:
    return run("services", "register", "--openapi", str(source), *BASE, *more, url=gateway.url)


def test_a_document_registers_a_service_that_stays(run: Run, gateway: StandIn, document: Path) -> None:
    said = register(run, gateway, document, "--prefix", "/v1/shop")
    assert (said.code, said.out) == (0, "small-shop is registered with 0 routes; it stays until it is removed\n")
    assert "warning: no summary" in said.err
    told = gateway.services["small-shop"]
    assert told.pop("openapi") == DOCUMENT
    assert told == {"name": "small-shop", "base_url": BASE[1], "prefix": "/v1/shop", "lease_s": 0.0}


def test_an_address_is_handed_on(run: Run, gateway: StandIn) -> None:
    said = register(run, gateway, "http://shop/openapi.json", "--name", "shop", "--lease", "60", "--json")
    assert said.json["service"] == "shop"
    told = gateway.services["shop"]
    assert (told["openapi_url"], told["lease_s"]) == ("http://shop/openapi.json", 60.0)


def test_an_application_is_imported(run: Run, gateway: StandIn, tmp_path: Path) -> None:
    (tmp_path / "clock_of_test.py").write_text(APPLICATION)
    assert register(run, gateway, "clock_of_test:app").code == 0
    assert list(gateway.services["clock"]["openapi"]["paths"]) == ["/now"]


def test_policies_and_public_paths_from_a_file(run: Run, gateway: StandIn, document: Path, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(
        'scope = "read"\n[timeouts]\nfirst_byte_s = 5.0\n[expose]\n"POST /orders" = "/v1/orders"\n'
    )
    assert register(run, gateway, document, "--policy", "policy.toml").code == 0
    told = gateway.services["small-shop"]
    assert told["policy"] == {"scope": "read", "timeouts": {"first_byte_s": 5.0}}
    assert [(route["gateway_path"], route["upstream_path"]) for route in told["routes"]] == [("/v1/orders", "/orders")]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--openapi", "missing.json"),
        ("--openapi", "no_such_module:app"),
        ("--openapi", "json:nothing"),
        ("--openapi", "list.json"),
        ("--openapi", "http://shop/openapi.json"),
        ("--openapi", "untitled.json"),
        ("--openapi", "untitled.json", "--name", "a", "--policy", "list.json"),
        ("--openapi", "untitled.json", "--name", "a", "--keep", "--lease", "0"),
        ("--openapi", "http://shop/openapi.json", "--name", "a", "--policy", "exposing.json"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_sent(
    run: Run, gateway: StandIn, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "untitled.json").write_text('{"paths": {}}')
    (tmp_path / "exposing.json").write_text('{"expose": {"/a": "/b"}}')
    assert run("services", "register", *arguments, *BASE, url=gateway.url).code == 2
    assert gateway.words == []


def test_a_refusal_ends_with_one(run: Run, gateway: StandIn, document: Path) -> None:
    gateway.refusal = (409, {"code": "ROUTE_TAKEN", "detail": "GET /orders belongs to old-shop", "status": 409})
    for more in ((), ("--keep",)):
        said = register(run, gateway, document, *more)
        assert said.code == 1
        assert "belongs to old-shop" in said.err


def test_services_and_routes_are_listed_and_removed(run: Run, gateway: StandIn, document: Path, tmp_path: Path) -> None:
    (tmp_path / "all.json").write_text('{"expose": {"/orders": "/v1/orders"}}')
    register(run, gateway, document, "--policy", "all.json")
    assert "small-shop" in run("services", "ls", url=gateway.url).out
    assert "/v1/orders" in run("routes", "ls", url=gateway.url).out
    assert run("routes", "ls", "--service", "other", "--json", url=gateway.url).json == []
    said = run("services", "remove", "small-shop", "unknown", url=gateway.url)
    assert said.code == 1
    assert said.out.splitlines() == ["small-shop is removed", "unknown: there is no such service"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_kept_until_it_is_told_to_stop(gateway: StandIn, document: Path, number: int) -> None:
    command = [sys.executable, "-m", "taskgate", "services", "register", "--openapi", str(document), *BASE, "--keep"]
    env = {**os.environ, "TASKGATE_URL": gateway.url, "TASKGATE_API_KEY": "tg_k"}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        gateway.until(lambda: gateway.heard("PUT") >= 2, 20.0)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert "renewed until Ctrl-C" in out
    assert "Traceback" not in err
    assert gateway.services == {}
