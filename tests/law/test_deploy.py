"""What `deploy/` says is what the program is: settings, commands, ports, health checks, versions, and the page.

No Docker engine is needed: the files are read as engines read them (`tests/hosts/compose.py`).
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from taskgate.cli.root import root
from taskgate.config import load
from tests.hosts import compose
from tests.hosts.page import Page
from tests.law.sources import ROOT
from tests.servers.finding import install, missing

SERVICES = compose.services(compose.example())
OURS = {name: service for name, service in SERVICES.items() if compose.target(service)}
COMPOSE = ROOT / "deploy" / "compose.yaml"
NGINX = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
LOCATION = re.compile(r"^\s*location (\S+) \{$(.*?)^\s*\}$", re.MULTILINE | re.DOTALL)


def directives(text: str) -> dict[str, list[str]]:
    """What each location of an nginx configuration says, without comments."""
    return {
        place: [" ".join(line.split("#")[0].split()) for line in inside.splitlines() if line.split("#")[0].strip()]
        for place, inside in LOCATION.findall(text)
    }


def test_every_variable_is_in_the_example_and_used() -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    assert compose.variables(text) == set(compose.example())


def test_a_password_that_is_missing_is_refused() -> None:
    with pytest.raises(ValueError, match="REDIS_PASSWORD"):
        compose.services(compose.example() | {"REDIS_PASSWORD": ""})


@pytest.mark.parametrize("name", ["gateway-1", "gateway-2"])
def test_a_gateway_takes_its_environment(name: str) -> None:
    env = compose.environment("gateway") | SERVICES[name]["environment"]
    settings = load({}, env=env)
    assert settings.database_url.startswith("postgresql://")
    assert settings.http.host == settings.grpc.host == "0.0.0.0"
    assert settings.proxy.trusted_proxies == (SERVICES["nginx"]["networks"]["inside"]["ipv4_address"] + "/32",)
    with pytest.raises(Exception, match="no setting"):
        load({}, env=env | {"TASKGATE_HTTP__HOTS": "x"})


def test_what_nginx_knows_by_name_stays_where_it_is() -> None:
    """It asks for a name once. What is made again gets another address, where it has none of its own."""
    (config,) = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["networks"]["inside"]["ipam"]["config"]
    given = ip_network(config["ip_range"])
    named = set(re.findall(r"server ([\w-]+):\d+", NGINX))
    fixed = {name: SERVICES[name]["networks"]["inside"]["ipv4_address"] for name in {*named, "nginx"}}
    assert named == {"gateway-1", "gateway-2"}
    assert len(set(fixed.values())) == 3
    for address in map(ip_address, fixed.values()):
        assert address in ip_network(config["subnet"])
        assert address not in given, "anybody may have it while it is away"


def test_systemd_finds_nothing_wrong_in_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        install("systemd-analyze")
    program = shutil.which("systemd-analyze") or missing("systemd-analyze")
    for unit in sorted((ROOT / "deploy" / "systemd").glob("*.service")):
        text = unit.read_text(encoding="utf-8")
        (started,) = re.findall(r"^ExecStart=/opt/taskgate/bin/taskgate (.*)$", text, re.MULTILINE)
        parse(started.split())
        copy = tmp_path / unit.name
        copy.write_text(text.replace("/opt/taskgate/bin/taskgate", "/bin/true"), encoding="utf-8")
        told = subprocess.run([program, "verify", "--man=no", copy], check=False, capture_output=True, text=True)
        assert (told.returncode, [line for line in told.stderr.splitlines() if unit.name in line]) == (0, [])


@pytest.mark.parametrize("name", sorted(OURS))
def test_commands_and_their_options_exist(name: str) -> None:
    for words in (compose.command(OURS[name]), compose.health(OURS[name])):
        if words and words[0] == "taskgate":
            parse(words[1:])


def parse(words: list[str]) -> None:
    """Have the command line read the words, as far as it can without doing anything."""
    found: click.Command | None = root
    context: click.Context | None = None
    while isinstance(found, click.Group):
        context = click.Context(found, parent=context, **found.context_settings)
        found, words = found.get_command(context, words[0]), words[1:]
    assert found is not None
    context = click.Context(found, parent=context)  # with the root's names of the help option, which click remembers
    _, rest, _ = found.make_parser(context).parse_args(list(words))
    assert rest == []


def test_an_option_that_does_not_exist_is_seen() -> None:
    with pytest.raises(click.NoSuchOption):
        parse(["worker", "--slotz", "2"])


def test_ports_agree() -> None:
    exposed = set(compose.said("gateway", "EXPOSE").split())
    assert exposed == {str(load({}, env={}).http.port), str(load({}, env={}).grpc.port)}
    servers = re.findall(r"server (gateway-\d):(\d+)", NGINX)
    assert sorted(servers) == sorted((name, port) for name in ("gateway-1", "gateway-2") for port in exposed)
    listened = set(re.findall(r"listen (\d+)", NGINX))
    assert listened == {mapping.rpartition(":")[2] for mapping in SERVICES["nginx"]["ports"]}
    assert f":{SERVICES['worker-1']['environment']['TASKGATE_URL'].rpartition(':')[2]}/health/ready" in " ".join(
        compose.health(SERVICES["nginx"])
    )


def test_who_waits_for_health_waits_for_somebody_who_has_it() -> None:
    for service in SERVICES.values():
        for name, wish in service.get("depends_on", {}).items():
            if wish["condition"] == "service_healthy":
                assert compose.health(SERVICES[name]), name


def test_the_front_is_the_pages() -> None:
    page = Page(ROOT / "docs" / "how-to" / "several-gateways.md")
    assert directives(NGINX) == directives(page.file("nginx.conf"))
    assert set(directives(NGINX)) == {"/", "/taskgate.v1.GatewayService/"}


def test_images_have_plain_names_and_only_what_is_asked_for() -> None:
    sources = {stage.source for stage in compose.stages().values()} | {str(one["image"]) for one in SERVICES.values()}
    assert [name for name in sources if "/" in name or "." in name.partition(":")[0]] == []
    assert {compose.said(name, "USER") for name in ("gateway", "worker")} == {"taskgate"}
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[0] == "!"}
    taken = [compose.copied(rest) for kind, rest in compose.lineage("build") if kind == "COPY"]
    assert {name for stage, what, _ in taken if not stage for name in what} == let_in
    assert [name for name in let_in if not (ROOT / name).exists()] == []


def test_uv_is_the_one_that_made_the_lock() -> None:
    wanted = re.search(r"UV_VERSION=(\S+)", (ROOT / "tools" / "setup.sh").read_text(encoding="utf-8"))
    assert wanted is not None
    assert any(f"uv=={wanted[1]}" in rest for kind, rest in compose.lineage("build") if kind == "RUN")


class Answering(BaseHTTPRequestHandler):
    """Answers what the server's `status` says."""

    def do_GET(self) -> None:
        status = getattr(self.server, "status", 500) if self.path == "/health/ready" else 404
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def gateway() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("name", ["gateway-1", "nginx"])
def test_a_health_check_ends_with_0_where_all_is_well_and_else_not(name: str, gateway: HTTPServer) -> None:
    for status, is_well in ((200, True), (503, False)):
        gateway.status = status  # type: ignore[attr-defined]  # read by `Answering`
        assert is_healthy(name, gateway.server_port) is is_well
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert not is_healthy(name, closed.getsockname()[1])


def is_healthy(name: str, port: int) -> bool:
    """Run the health check of a service with another port in the place of the gateway's."""
    words = [word.replace("30090", str(port)) for word in compose.health(SERVICES[name])]
    words[0] = sys.executable if words[0] == "python3" else words[0]
    return subprocess.run(words, check=False, capture_output=True, timeout=20).returncode == 0
