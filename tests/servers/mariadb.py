"""A real MariaDB in a folder of its own, with a certificate: started, killed, frozen and ended by a test.

TASKGATE_TEST_MYSQLD names the `mysqld` of a MySQL that takes its place: the archive's tests are then MySQL's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers.authority import Authority
from tests.servers.daemon import Daemon
from tests.servers.finding import install, missing
from tests.system.cluster import free_port

START_S = 40.0
QUICK = ("--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--skip-log-bin")
ONLY_MYSQL = ("--mysqlx=OFF", "--secure-file-priv=")  # a port and a folder of the machine's
INSTALL = ["mariadb-install-db", "--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"]
USER = "taskgate"
PASSWORD = "secret-of-a-test"


def program() -> str:
    """The path of `mariadbd`."""
    for _ in range(2):
        found = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if found:
            return found
        install("mariadbd")
    return missing("mariadbd")


class MariaDb(Daemon):
    """One server. `is_quick`: nothing is forced to the disk, for tests that do not cut its life short."""

    def __init__(self, folder: Path, *, is_quick: bool = False) -> None:
        super().__init__(folder)
        self.port = free_port()
        self._data = folder / "data"
        self._socket = folder / "s"
        self._user = ["--user=root"] if os.getuid() == 0 else []
        self._databases = 0
        self.authority = Authority(folder / "ca")
        issued = self.authority.issue("server")
        tls = (f"--ssl-cert={issued.cert_path}", f"--ssl-key={issued.key_path}", f"--ssl-ca={self.authority.path}")
        mysql = os.environ.get("TASKGATE_TEST_MYSQLD", "")
        self._server = mysql or program()
        self._flags = [*tls, *(QUICK if is_quick else ()), *(ONLY_MYSQL if mysql else ()), *self._user]
        command = [mysql, "--no-defaults", "--initialize-insecure"] if mysql else INSTALL
        command = [*command, f"--datadir={self._data}", *self._user]
        made = subprocess.run(command, check=False, capture_output=True, text=True)
        if made.returncode:
            pytest.fail(f"{command[0]}: {made.stderr[-2000:]}")

    def url(self, database: str) -> str:
        return f"mysql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        command = [self._server, "--no-defaults", f"--datadir={self._data}", f"--socket={self._socket}"]
        command += [f"--port={self.port}", "--bind-address=127.0.0.1", f"--pid-file={self.folder / 'pid'}"]
        self._launch([*command, *self._flags], answers=self._answers, within_s=START_S)

    def new_database(self) -> str:
        """The URL of a fresh, empty database."""
        self._databases += 1
        name = f"test_{self._databases}"
        self.query(
            f"CREATE DATABASE {name};"
            f"CREATE USER IF NOT EXISTS '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';"
            f"GRANT ALL ON {name}.* TO '{USER}'@'127.0.0.1'"
        )
        return self.url(name)

    def query(self, text: str) -> str:
        """Run SQL as root; rows as lines, columns apart by tabs."""
        asked = ["mariadb", "--no-defaults", f"--socket={self._socket}", "-u", "root", "-N", "-B", "-e", text]
        return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()

    def _answers(self) -> bool:
        asked = ["mariadb-admin", "--no-defaults", f"--socket={self._socket}", "-u", "root", "ping"]
        return subprocess.run(asked, check=False, capture_output=True).returncode == 0
