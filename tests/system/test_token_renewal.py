"""Workers that live on short tokens, as real processes: renewed on the link that stands, kept over a restart, ended by
what takes the first one back (INV-A5)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskgate import Client
from taskgate.errors import Unauthenticated
from tests.system.cluster import GatewayProcess, WorkerProcess
from tests.system.conftest import TASKS, until_online

LIFE_S = 10.0
LEEWAY_S = 60.0


@pytest.fixture
def brief(tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway whose tokens live as short as they may."""
    made = GatewayProcess(tmp_path / "data", grpc=True, settings={"TASKGATE_AUTH__TOKEN_S": str(LIFE_S)})
    made.start()
    yield made
    made.kill()


class Tokened(WorkerProcess):
    """A worker whose credential is a token of its own."""

    def __init__(self, gateway: GatewayProcess, name: str, *, file: Path, transport: str) -> None:
        more = {"grpc": f"127.0.0.1:{gateway.grpc_port}"} if transport == "grpc" else {}
        super().__init__(gateway, name, tasks=TASKS, slots=1, key=file, transport=transport, **more)
        self.kept = gateway.folder.parent / f"{name}.d" / "credential"

    def token(self) -> str:
        """The renewed token, "" while there is none."""
        found: str = json.loads(self.kept.read_bytes())["token"] if self.kept.exists() else ""
        return found


def until(claim: object, within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not claim():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def status_of(client: Client, name: str) -> str:
    return next((worker.status for worker in client.workers.all() if worker.id == name), "gone")


def test_tokens_are_renewed_on_living_links_and_kept(brief: GatewayProcess, tmp_path: Path) -> None:
    """Over both transports, below a run that goes on; a worker started again lives on what it kept, until the first
    token is taken back."""
    workers: dict[str, Tokened] = {}
    ids: dict[str, str] = {}
    with Client(brief.url, brief.admin_key) as client:
        try:
            for name, transport in (("over-ws", "websocket"), ("over-grpc", "grpc")):
                made = client.tokens.create(scopes=["worker"], worker_id=name)
                ids[name], file = made.id, tmp_path / f"{name}.token"
                file.write_text(str(made.token), encoding="utf-8")
                workers[name] = Tokened(brief, name, file=file, transport=transport)
            until_online(client, 2)
            ledger = str(tmp_path / "ledger")
            runs = [client.submit("sys.slow", {"ledger": ledger, "seconds": 7.5}) for _ in workers]
            until(lambda: all(worker.token() for worker in workers.values()))
            assert [run.output() for run in runs] == [1, 1]
            for name, worker in workers.items():
                assert worker.kept.stat().st_mode & 0o777 == 0o600
                assert worker.log().count("connected as") == 1, worker.log()
                assert worker.token() not in worker.log()
                worker.kill()
                workers[name] = Tokened(
                    brief, name, file=tmp_path / f"{name}.token",
                    transport="grpc" if name == "over-grpc" else "websocket",
                )  # fmt: skip
            # the list still shows the killed links for a moment: the new ones have told of themselves
            until(lambda: all(worker.log().count("connected as") == 2 for worker in workers.values()))
            client.tokens.revoke(ids["over-ws"])
            until(lambda: status_of(client, "over-ws") != "online", within_s=5.0)
            assert status_of(client, "over-grpc") == "online"
        finally:
            for worker in workers.values():
                worker.kill()


@pytest.mark.soak
@pytest.mark.parametrize("transport", ["websocket", "grpc"])
def test_a_worker_starts_again_long_behind_the_end_of_its_first_token(
    brief: GatewayProcess, tmp_path: Path, transport: str
) -> None:
    with Client(brief.url, brief.admin_key) as client:
        made = client.tokens.create(scopes=["worker"], worker_id="w1")
        file = tmp_path / "w1.token"
        file.write_text(str(made.token), encoding="utf-8")
        worker = Tokened(brief, "w1", file=file, transport=transport)
        try:
            until_online(client, 1)
            time.sleep(LIFE_S + LEEWAY_S + 5)
            with pytest.raises(Unauthenticated):
                Client(brief.url, str(made.token)).tokens.create(scopes=["worker"])
            assert worker.log().count("connected as") == 1
            worker.kill()
            worker = Tokened(brief, "w1", file=file, transport=transport)
            until(lambda: worker.log().count("connected as") == 2)
            assert client.submit("sys.echo", {"value": "still here"}).output() == "still here"
        finally:
            worker.kill()
