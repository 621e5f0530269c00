"""A real service with the two lines, a real gateway, and everything that may happen to either of them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3

from taskgate import Client
from taskgate.client.shapes import ServiceState
from tests.system.cluster import ROOT, GatewayProcess, free_port

pytestmark = pytest.mark.system
WITHIN_S = 30.0
QUICK = {"TASKGATE_ROUTES__LEASE_S": "3"}


class ServiceProcess:
    """`uvicorn tests.system.two_lines:app`, with the environment that an operator would give it."""

    def __init__(self, gateway: GatewayProcess, *, key: str, workers: int = 1) -> None:
        self.port = free_port()
        self._log = gateway.folder.parent / f"service-{self.port}.log"
        env = {
            "GATEWAY_URL": gateway.url,
            "TASKGATE_API_KEY": key,
            "SERVICE_BASE_URL": f"http://127.0.0.1:{self.port}",
            "REGISTER_DELAY": "0.1",
        }
        arguments = ["tests.system.two_lines:app", "--port", str(self.port), "--workers", str(workers)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **env},
                cwd=ROOT,
                start_new_session=True,
            )

    def answers(self) -> bool:
        """Whether the service itself, without any gateway, does its work."""
        url = f"http://127.0.0.1:{self.port}/echo/hi"
        try:
            return urllib3.request("GET", url, retries=False, timeout=2.0).status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill_all(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        self._process.terminate()
        return self._process.wait(WITHIN_S)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    made = GatewayProcess(tmp_path / "data", settings=QUICK)
    made.start()
    yield made
    made.kill()


Serve = Callable[..., ServiceProcess]


@pytest.fixture
def serve(gateway: GatewayProcess) -> Iterator[Serve]:
    made: list[ServiceProcess] = []
    with Client(gateway.url, gateway.admin_key) as client:
        key = str(client.keys.create("two lines", ["register"], kind="service", prefixes=["/v1/two"]).key)

    def start(**options: int) -> ServiceProcess:
        made.append(ServiceProcess(gateway, key=key, **options))
        return made[-1]

    yield start
    for service in made:
        service.kill_all()


def until(claim: Callable[[], object]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not claim():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def known(gateway: GatewayProcess) -> dict[str, ServiceState]:
    with Client(gateway.url, gateway.admin_key) as client:
        return {service.name: service for service in client.services.all()}


def is_up(gateway: GatewayProcess) -> bool:
    return "two-lines" in (found := known(gateway)) and found["two-lines"].status == "up"


def through(gateway: GatewayProcess) -> tuple[int, str]:
    """A call of the service through the gateway: the status, and whose error it is."""
    headers = {"X-API-Key": gateway.admin_key}
    answer = urllib3.request("GET", f"{gateway.url}/v1/two/echo/hi", headers=headers, retries=False, timeout=10.0)
    return answer.status, answer.headers.get("Gateway-Error-Source", "")


def site_proved(url: str, **headers: str) -> str:
    """The site that the service found out."""
    return urllib3.request("GET", url, headers=headers, retries=False, timeout=10.0).headers["Proved-Site"]


def test_a_service_knows_its_gateways_word_from_others(gateway: GatewayProcess, serve: Serve) -> None:
    """Signed for it alone, by the same secret after a restart; who goes past the gateway proves nothing."""
    service = serve()
    until(lambda: is_up(gateway))
    path, key = "/v1/two/echo/hi", gateway.admin_key
    assert site_proved(gateway.url + path, **{"X-API-Key": key}) == "default"
    forged = {"X-API-Key": key, "X-Taskgate-Identity": "v1,t=1,aaaa", "X-User-Id": "boss"}
    assert site_proved(gateway.url + path, **forged) == "default"
    past = f"http://127.0.0.1:{service.port}/echo/hi"
    assert site_proved(past, **{"X-Site-Id": "default"}) == "IDENTITY_UNPROVED"
    gateway.kill()
    gateway.start()
    assert site_proved(gateway.url + path, **{"X-API-Key": key}) == "default"
    assert (gateway.folder / "identity.secret").stat().st_mode & 0o777 == 0o600
    secret = (gateway.folder / "identity.secret").read_bytes().strip()
    for file in gateway.folder.glob("*.db*"):
        assert secret not in file.read_bytes()
        assert b"tgi_" not in file.read_bytes()


def test_two_lines_are_enough_until_its_orderly_end(gateway: GatewayProcess, serve: Serve) -> None:
    service = serve()
    until(lambda: is_up(gateway))
    assert known(gateway)["two-lines"].routes == ["GET /v1/two/echo/{word}"]
    assert through(gateway) == (200, "")
    time_before_lapse = time.monotonic() + 4.0
    while time.monotonic() < time_before_lapse:  # longer than a lease: it is renewed
        assert is_up(gateway)
        time.sleep(0.2)
    service.stop()
    until(lambda: "two-lines" not in known(gateway))
    assert through(gateway) == (404, "gateway")


def test_a_gateway_that_restarts_or_loses_everything_is_told_again(gateway: GatewayProcess, serve: Serve) -> None:
    service = serve()
    until(lambda: is_up(gateway))
    gateway.kill()
    assert service.answers()
    gateway.start()
    assert through(gateway) == (200, "")  # it remembers, before anybody has renewed
    until(lambda: is_up(gateway))
    with Client(gateway.url, gateway.admin_key) as client:
        client.services.withdraw("two-lines")
    until(lambda: is_up(gateway))


def test_a_killed_service_lapses_and_comes_back(gateway: GatewayProcess, serve: Serve) -> None:
    service = serve()
    until(lambda: is_up(gateway))
    service.kill_all()
    until(lambda: known(gateway)["two-lines"].status == "away")
    assert through(gateway) == (503, "gateway")
    serve()
    until(lambda: is_up(gateway))
    assert through(gateway) == (200, "")


def test_without_its_gateway_a_service_runs_and_registers_later(gateway: GatewayProcess, serve: Serve) -> None:
    gateway.kill()
    service = serve()
    until(service.answers)
    gateway.start()
    until(lambda: is_up(gateway))


def test_several_processes_of_one_service(gateway: GatewayProcess, serve: Serve) -> None:
    """They register the same; a reload of the server withdraws nothing for good, its end does."""
    service = serve(workers=2)
    until(lambda: is_up(gateway))
    service.signal(signal.SIGHUP)  # uvicorn starts every worker anew
    until(service.answers)
    until(lambda: is_up(gateway))
    service.stop()
    until(lambda: "two-lines" not in known(gateway))
