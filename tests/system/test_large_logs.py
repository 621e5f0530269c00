"""Logs that are larger than the memory they pass through: a journal that stands still, and uploads of many pieces.

PostgreSQL is frozen under workers that talk without end: what waits in the gateway and in the workers is bounded, and
after the thaw every line is there. An upload is cut by kill -9 of the gateway, resumed, and read back.
"""

from __future__ import annotations

import hashlib
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3

from taskgate import Client
from taskgate.client.sync import Run
from tests.servers.postgres import Postgres
from tests.system.cluster import GatewayProcess, WorkerProcess

pytestmark = pytest.mark.system

TASKS = "tests.system.talking"
MIB = 1 << 20
LINE = 1_000
LINES = 14_000  # of a run: less than a worker keeps of one (16 MiB), more than its window (4 MiB)
KEPT = 3  # times its text: what a line costs in a worker, while it waits
PATIENCE_S = 60.0
SPARE_MIB = 96  # of the process itself: connections, caches, what the allocator keeps


def until(claim: Callable[[], object], within_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


def memory_mib(pid: int, name: str = "VmRSS") -> float:
    line = next(one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith(name))
    return int(line.split()[1]) / 1024


class Peak:
    """The most memory that a process has while this is open."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.mib = 0.0

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            self.mib = max(self.mib, memory_mib(self._pid))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Postgres]:
    server = Postgres(tmp_path / "postgres")
    server.start()
    yield server
    server.signal(signal.SIGCONT)
    server.stop()


def said(note: Path) -> int:
    """How many lines a task has got rid of."""
    text = note.read_bytes() if note.exists() else b""
    return int(text or b"0")


def are_confirmed(client: Client, run_ids: list[str]) -> bool:
    """Whether every holder has been told, since its run began, that it has more than its offer."""
    heard = {worker.id: worker.last_heartbeat_at for worker in client.workers.all()}
    attempts = [client.run(run_id).attempts[-1] for run_id in run_ids]
    return all(one.started_at and (heard[one.holder] or one.started_at) > one.started_at for one in attempts)


def numbers_of(run: Run) -> list[int]:
    """The numbers of the lines in a run's journal, as it is read."""
    return [int(entry.text[:8]) for entry in run.follow() if entry.kind == "log"]


def flooded(folder: Path, database: Postgres, *, workers: int, lines: int, unwritten_mib: int, frozen_s: float) -> None:
    """Let so many workers talk, freeze the database under them, and read everything afterwards."""
    settings = {
        "TASKGATE_DATABASE__URL": database.new_database(),
        "TASKGATE_JOURNAL__UNWRITTEN_BYTES": str(unwritten_mib * MIB),
        "TASKGATE_RUNS__HEARTBEAT_S": "0.5",
    }
    gateway = GatewayProcess(folder / "data", settings=settings)
    gateway.start()
    hired = [WorkerProcess(gateway, f"w{n}", tasks=TASKS, slots=1) for n in range(workers)]
    try:
        with Client(gateway.url, gateway.admin_key) as client:
            until(lambda: sum(worker.status == "online" for worker in client.workers.all()) == workers)
            notes = [folder / f"note-{n}" for n in range(workers)]
            gate = folder / "gate"
            told = {"count": lines, "size": LINE, "gate": str(gate)}
            runs = [client.submit("talk.flood", told | {"note": str(note)}) for note in notes]
            until(lambda: all(said(note) == lines // 4 - 1 for note in notes))
            until(lambda: are_confirmed(client, [run.id for run in runs]))
            links = [worker.link() for worker in hired]
            before, linked = memory_mib(gateway.pid), max(map(memory_mib, links))
            with Peak(gateway.pid) as peak, Peak(links[0]) as waiting:
                database.signal(signal.SIGSTOP)
                gate.touch()
                time.sleep(frozen_s)
                full = [said(note) for note in notes]
                database.signal(signal.SIGCONT)
                ended = [run.wait(4 * PATIENCE_S) for run in runs]
            print(f"\n{workers} workers have said {full} of {lines} lines into the frozen journal")
            print(f"gateway {before:.0f} MiB, {peak.mib:.0f} at most; link {linked:.0f} MiB, {waiting.mib:.0f} at most")
            assert [run.status for run in ended] == ["succeeded"] * workers
            assert [numbers_of(run) for run in runs] == [list(range(lines))] * workers
    finally:
        for worker in hired:
            worker.kill()
        gateway.kill()
    assert min(full) > lines // 2, "it was no flood"
    assert peak.mib <= before + unwritten_mib + SPARE_MIB
    assert waiting.mib <= linked + KEPT * lines * LINE / MIB + SPARE_MIB


def test_a_frozen_journal_fills_nobodys_memory(tmp_path: Path, database: Postgres) -> None:
    flooded(tmp_path, database, workers=2, lines=LINES, unwritten_mib=2, frozen_s=4.0)


@pytest.mark.soak
def test_a_frozen_journal_under_many_writers(tmp_path: Path, database: Postgres) -> None:
    flooded(tmp_path, database, workers=8, lines=LINES, unwritten_mib=16, frozen_s=10.0)


class Upload:
    """A log made of a seed, and its way to the gateway with the key of the run's holder."""

    def __init__(self, gateway: GatewayProcess, run_id: str, key: str, *, mib: int) -> None:
        self._url = f"{gateway.url}/v1/runs/{run_id}/logs/build.log"
        self._headers = {"X-API-Key": key}
        self._pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=5.0, read=PATIENCE_S))
        self.mib = mib
        self.digest = hashlib.sha256()

    def piece(self, number: int) -> bytes:
        return random.Random(number).randbytes(MIB)

    def put(self, number: int) -> bool:
        """Whether this piece was taken; the last one closes the log."""
        content = self.piece(number)
        told = f"?offset={number * MIB}"
        if number == self.mib - 1:
            told += f"&final=true&total={self.mib * MIB}&sha256={self._whole()}"
        headers = self._headers | {"X-Checksum-Sha256": hashlib.sha256(content).hexdigest()}
        try:
            answer = self._pool.request("PUT", self._url + told, body=content, headers=headers)
        except urllib3.exceptions.HTTPError:
            return False
        assert answer.status in (200, 202, 429, 503), answer.data
        return answer.status in (200, 202)

    def offset(self) -> int:
        """Where the gateway says to go on."""
        while True:
            try:
                answer = self._pool.request("HEAD", self._url, headers=self._headers)
            except urllib3.exceptions.HTTPError:
                time.sleep(0.05)
                continue
            if answer.status == 200:
                return int(answer.headers["X-Log-Offset"])
            assert answer.status in (404, 503), answer.status
            if answer.status == 404:
                return 0

    def _whole(self) -> str:
        whole = hashlib.sha256()
        for number in range(self.mib):
            whole.update(self.piece(number))
        self.digest = whole
        return whole.hexdigest()

    def read_back(self) -> str:
        """The digest of what is read, a part at a time."""
        found = hashlib.sha256()
        answer = self._pool.request("GET", self._url, headers=self._headers, preload_content=False)
        assert answer.status == 200
        for part in answer.stream(1 << 18):
            found.update(part)
        answer.release_conn()
        return found.hexdigest()


def cut(gateway: GatewayProcess, upload: Upload) -> int:
    """Send two fifths, kill the gateway under a piece and start it again; the number of the piece to go on with."""
    number = 0
    while number < upload.mib * 2 // 5:
        assert upload.put(number)
        number += 1
    threading.Timer(0.01, gateway.kill).start()
    while upload.put(number):
        number += 1
    gateway.kill()
    gateway.start()
    at = upload.offset()
    assert number * MIB <= at <= (number + 1) * MIB, "a piece that was acknowledged is gone"
    return at // MIB


def uploaded(folder: Path, *, database: str, mib: int, most_mib: float) -> None:
    """Send a log of so many MiB, with a kill of the gateway in its middle, and read it back."""
    gateway = GatewayProcess(folder / "data", settings={"TASKGATE_DATABASE__URL": database} if database else None)
    gateway.start()
    gate = folder / "gate"
    with Client(gateway.url, gateway.admin_key) as client:
        made = client.keys.create("w1", ["worker"], kind="worker", worker_id="w1")
        key = folder / "bound.key"
        key.write_text(str(made.key), encoding="utf-8")
        worker = WorkerProcess(gateway, "w1", tasks=TASKS, key=key)
        try:
            until(lambda: any(one.status == "online" for one in client.workers.all()))
            run = client.submit("talk.held", {"gate": str(gate)})
            until(lambda: client.run(run.id).status == "running")
            upload, began = Upload(gateway, run.id, str(made.key), mib=mib), time.monotonic()
            number = cut(gateway, upload)
            before = memory_mib(gateway.pid)
            with Peak(gateway.pid) as writing:
                while number < mib:
                    number += upload.put(number)
            took_s, sent = time.monotonic() - began, upload.digest.hexdigest()
            with Peak(gateway.pid) as reading:
                assert upload.read_back() == sent
            told = f"{before:.0f} MiB before, {writing.mib:.0f} at most while written, {reading.mib:.0f} while read"
            print(f"\n{mib} MiB in {took_s:.1f} s; {told}")
            gate.touch()
            assert run.wait(PATIENCE_S).status == "succeeded"
        finally:
            worker.kill()
            gateway.kill()
    assert max(writing.mib, reading.mib) <= before + most_mib


def test_an_upload_goes_on_after_a_kill(tmp_path: Path) -> None:
    uploaded(tmp_path, database="", mib=48, most_mib=64)


@pytest.mark.soak
def test_a_gibibyte_is_uploaded(tmp_path: Path, database: Postgres) -> None:
    uploaded(tmp_path, database=database.new_database(), mib=1024, most_mib=64)


@pytest.mark.soak
def test_a_gibibyte_is_uploaded_to_one_host(tmp_path: Path) -> None:
    uploaded(tmp_path, database="", mib=1024, most_mib=64)
