"""The installation of `docs/how-to/several-gateways.md` on hosts of a lab, made by doing what the page says.

Files and commands come from the page. What a test has to add is added here and nowhere else: passwords in the places
that the page leaves open, an authority of its own (`--ca`), folders of its own, and shorter times.
"""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.hosts.host import Host
from tests.hosts.lab import Lab
from tests.hosts.page import Page
from tests.hosts.servers import HostPostgres, HostRedis
from tests.servers.authority import Authority
from tests.system.cluster import ROOT

START_S = 40.0
PAGE = ROOT / "docs" / "how-to" / "several-gateways.md"
TASKGATE = [sys.executable, "-m", "taskgate"]
TASKS = "tests.system.tasks"
NGINX_FOLDERS = ("/etc/nginx", "/var/log/nginx", "/var/lib/nginx", "/run")
HEARTBEAT_S, DEAD_S, LEASE_S = 0.5, 2.0, 4.0
SHORTER = {
    "TASKGATE_RUNS__HEARTBEAT_S": str(HEARTBEAT_S),
    "TASKGATE_LINK__DEAD_AFTER_S": str(DEAD_S),
    "TASKGATE_RUNS__LEASE_S": str(LEASE_S),
    "TASKGATE_RUNS__LEADER_TERM_S": "3",
}


def until(claim: Callable[[], bool], within_s: float = START_S, *, what: str = "it") -> float:
    """Ask until it is true; the seconds that took."""
    began = time.monotonic()
    while not claim():
        assert time.monotonic() - began < within_s, f"{what} did not come true"
        time.sleep(0.05)
    return time.monotonic() - began


class Gateway:
    """`taskgate serve` on a host, started as the page says."""

    def __init__(self, host: Host, folder: Path, *, command: list[str], env: dict[str, str]) -> None:
        self.host = host
        self.folder = folder
        self._command = [*TASKGATE, *command, "--data-dir", str(folder)]
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers."""
        (self.folder / "gateway.json").unlink(missing_ok=True)
        log = self.folder.with_suffix(".log")
        self._process = process = self.host.start(self._command, log, env=self._env)
        ready = self.folder / "gateway.json"
        until(lambda: ready.exists() or process.poll() is not None, what="a gateway")
        assert process.poll() is None, log.read_text(errors="replace")[-3000:]

    def end(self, number: int = signal.SIGTERM) -> None:
        """Send it a signal that ends it, and wait."""
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(START_S)

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"


class Installation:
    """Every part on its host, by the names of the page; `homes` are the workers' hosts, the last one behind NAT."""

    def __init__(self, folder: Path) -> None:
        self.page = Page(PAGE)
        self.folder = folder
        self.lab = Lab(folder / "lab")
        self.passwords = {"PASSWORD": secrets.token_hex(8), "ROOT_SECRET": secrets.token_hex(32)}
        self.authority = Authority(folder / "ca")
        self.nginx = self.lab.host("gate.example", 10, binds=self._nginx_folders())
        self.db, self.cache = self.lab.host("db.internal", 21), self.lab.host("redis.internal", 22)
        self.postgres = HostPostgres(folder / "postgres", self.db)
        self.redis = HostRedis(folder / "redis", self.cache, password=self.passwords["PASSWORD"])
        self.caller = self.lab.host("caller", 40)
        self.gateways = [self._gateway(number) for number in (1, 2)]
        self.homes: list[Host] = []
        self.routers: list[Host] = []

    def start(self) -> None:
        """Everything, in the order of the page."""
        self.postgres.start()
        self.postgres.query(self._filled(self.page.statements()).split(";")[0])
        self.postgres.query(self.page.statements().split(";")[1])
        self.redis.start()
        one, two = self.gateways
        for gateway, beginning in ((one, "taskgate db check"), (two, "taskgate check")):
            words = self.page.commands(beginning)[0][1:]
            gateway.host.run([*TASKGATE, *self._named(words)], env=self.settings)
        for gateway in (one, two):
            gateway.start()
        self.nginx.start(["nginx", "-g", "daemon off;"], self.folder / "nginx.log")
        self._start_workers()

    @property
    def hosts(self) -> list[Host]:
        """All whose links a test may cut."""
        return [self.nginx, self.db, self.cache, *(gateway.host for gateway in self.gateways), *self.homes]

    @property
    def url(self) -> str:
        return f"https://{self.nginx.address}"

    @property
    def admin_key(self) -> str:
        return self.gateways[0].key("admin").read_text(encoding="utf-8").strip()

    @property
    def settings(self) -> dict[str, str]:
        """The page's file of secrets, filled in, and shorter times."""
        lines = [line for line in self._filled(self.page.file("gateway.env")).splitlines() if "=" in line]
        return SHORTER | dict(line.split("=", 1) for line in lines)

    def calling(self) -> dict[str, str]:
        """The variables of a caller."""
        ca = {"SSL_CERT_FILE": str(self.authority.path)}
        return ca | {"TASKGATE_URL": "https://gate.example", "TASKGATE_API_KEY": self.admin_key}

    def stop(self) -> None:
        self.postgres.stop()
        self.redis.stop()
        self.lab.close()

    def _nginx_folders(self) -> dict[str, Path]:
        folders = {place: self.folder / f"nginx{place.replace('/', '-')}" for place in NGINX_FOLDERS}
        for place in folders.values():
            place.mkdir(parents=True)
            place.chmod(0o755)
        etc = folders["/etc/nginx"]
        (etc / "nginx.conf").write_text(self.page.file("nginx.conf"), encoding="utf-8")
        issued = self.authority.issue("gate", hosts=("gate.example", "10.0.0.10"))
        issued.install(etc / "gate.pem", etc / "gate.key")
        return folders

    def _gateway(self, number: int) -> Gateway:
        config = self.folder / "gateway.toml"
        config.write_text(self.page.file("gateway.toml"), encoding="utf-8")
        command = self._named(self.page.commands("taskgate serve")[0][1:])
        host = self.lab.host(f"gate-{number}.internal", 10 + number)
        return Gateway(host, self.folder / f"gate-{number}", command=command, env=self.settings)

    def _start_workers(self) -> None:
        commands = self.page.commands("taskgate worker ")
        for number, words in enumerate(commands):
            name = words[words.index("--name") + 1]
            if number < len(commands) - 1:
                host = router = self.lab.host(name, 31 + number)
            else:
                host, router = self.lab.home(name, 31 + number)
            self.homes.append(host)
            self.routers.append(router)
            own = ["--ca", str(self.authority.path), "--slots", "1", "--state-dir", str(self.folder / f"{name}.d")]
            host.start([*TASKGATE, *self._named(words[1:]), *own], self.folder / f"{name}.log")

    def _named(self, words: list[str]) -> list[str]:
        """A command of the page with the files of this installation in the places of the page's."""
        files = {
            "gateway.toml": str(self.folder / "gateway.toml"),
            "worker.key": str(self.gateways[0].key("worker")) if hasattr(self, "gateways") else "",
            "tasks": TASKS,
        }
        return [files.get(word, word) for word in words]

    def _filled(self, text: str) -> str:
        for name, value in self.passwords.items():
            text = (
                text.replace(f"{name}\n", f"{value}\n")
                .replace(f"'{name}'", f"'{value}'")
                .replace(f":{name}@", f":{value}@")
            )
        return text
