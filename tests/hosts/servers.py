"""PostgreSQL and Redis on hosts of their own, with passwords, as a page on several gateways has them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.hosts.host import Host
from tests.servers.postgres import START_S, USER, Postgres, _owner
from tests.servers.redis import Redis, program

ACCESS = "local all all trust\nhost taskgate taskgate 10.0.0.0/24 scram-sha-256\n"


class HostPostgres(Postgres):
    """Listens at the host's address on 5432. Tests ask it over its socket, which is a file and knows no networks."""

    def __init__(self, folder: Path, host: Host) -> None:
        super().__init__(folder)
        self.port = 5432
        self._host = host
        self._admin = USER
        (self.folder / "data" / "pg_hba.conf").write_text(ACCESS, encoding="utf-8")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{self._admin}@/{database}?host={self.folder}"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        command = [str(self._bin / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder)]
        command += ["-h", "*", *self._options]
        user = _owner(self.folder) or ""
        self._launch(self._host.command(command, user=user), answers=self.answers, within_s=START_S)
        self.settle()

    def settle(self) -> None:
        """Free the name that a page's reader gives to an ordinary role."""
        self.query("CREATE ROLE admin SUPERUSER LOGIN")
        self._admin = "admin"
        self.query(f"ALTER ROLE {USER} RENAME TO first")

    def answers(self) -> bool:
        asked = [str(self._bin / "pg_isready"), "-q", "-h", str(self.folder), "-U", USER]
        return subprocess.run(asked, check=False).returncode == 0


class HostRedis(Redis):
    """Listens at the host's address on 6379 and wants a password."""

    def __init__(self, folder: Path, host: Host, *, password: str) -> None:
        super().__init__(folder, settings={"requirepass": password})
        self.port = 6379
        self._host = host
        self._password = password

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [program(), "--port", str(self.port), "--dir", str(self.folder), *self._flags]
        self._launch(self._host.command(command), answers=lambda: self.command("PING") == "PONG", within_s=20.0)

    def command(self, *words: str) -> str:
        asked = self._host.command(["redis-cli", "--no-auth-warning", "-a", self._password, "--raw", *words])
        return subprocess.run(asked, check=False, capture_output=True, text=True).stdout.strip()


class ComposedPostgres(HostPostgres):
    """Has the user, the password and the database that its image makes out of its environment."""

    def __init__(self, folder: Path, host: Host, *, password: str) -> None:
        super().__init__(folder, host)
        self._password = password
        (self.folder / "data" / "pg_hba.conf").write_text("local all all trust\nhost all all all scram-sha-256\n")

    def settle(self) -> None:
        """Make what is asked for; its owner stays an administrator."""
        self.query(f"ALTER ROLE {USER} PASSWORD '{self._password}'")
        self.query(f"CREATE DATABASE {USER}")
