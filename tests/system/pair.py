"""Two gateways over one database and one Redis, as real processes."""

from __future__ import annotations

from pathlib import Path

from tests.system.cluster import GatewayProcess

ROOT_SECRET = "5e" * 32
TERM_S = 2.0


class Pair:
    """Two gateways that share everything but their ports and folders."""

    def __init__(self, folder: Path, database: str, redis: str, *, more: dict[str, str] | None = None) -> None:
        settings = {
            **(more or {}),
            "TASKGATE_DATABASE__URL": database,
            "TASKGATE_REDIS__URL": redis,
            "TASKGATE_AUTH__ROOT_SECRET": ROOT_SECRET,
            "TASKGATE_RUNS__LEADER_TERM_S": str(TERM_S),
            "TASKGATE_HTTP__LEAVE_S": "0.5",
        }
        self.one = GatewayProcess(folder / "one", settings=settings)
        self.two = GatewayProcess(folder / "two", settings=settings)

    def start(self) -> None:
        """Start those that do not run."""
        if not self.one.is_alive():
            self.one.start()
        for name in ("admin.key", "worker.key"):  # the first gateway made the keys of the installation
            self.two.folder.mkdir(exist_ok=True)
            (self.two.folder / name).write_text((self.one.folder / name).read_text(encoding="utf-8"), encoding="utf-8")
        if not self.two.is_alive():
            self.two.start()

    def stop(self) -> None:
        for gateway in (self.two, self.one):
            gateway.kill()
