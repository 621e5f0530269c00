"""A driver believes nobody: a wrong result ends it, and a reader of a journal sees what is missing or mixed."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.driver import Driver
from benchmarks.places import DRIVING
from benchmarks.processes import Processes, Trouble

SYNC = """
from loop import PAYLOAD, drive
print('noise that is no answer')
drive(lambda: {0}, lambda output: output)
"""
ASYNC = """
import asyncio
from loop import PAYLOAD, drive_async
async def submit(): return {0}
async def wait(output): return output
asyncio.run(drive_async(submit, wait))
"""
WRONG = "dict(PAYLOAD, id='other')"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(tmp_path) as found:
        yield found


def driver(processes: Processes, *command: str, **environment: str) -> Driver:
    told = {"PYTHONPATH": str(DRIVING), **environment}
    return Driver(processes.start("driver", [sys.executable, *command], environment=told, is_driver=True))


@pytest.mark.parametrize("script", [SYNC, ASYNC])
def test_answers_come_one_by_one(processes: Processes, script: str) -> None:
    asked = driver(processes, "-c", script.format("PAYLOAD"))
    assert len(asked.once(3)) == 3
    submit_s, total_s = asked.bulk(70)
    assert 0 < submit_s <= total_s


@pytest.mark.parametrize("script", [SYNC, ASYNC])
def test_a_wrong_result_is_not_measured(processes: Processes, script: str) -> None:
    with pytest.raises(Trouble, match="70 of 70 results are missing or wrong"):
        driver(processes, "-c", script.format(WRONG)).bulk(70)


def test_silence_is_trouble(processes: Processes) -> None:
    asked = driver(processes, "-c", "import time; print('busy', flush=True); time.sleep(100)")
    asked.process.popen.kill()
    with pytest.raises(Trouble, match="the driver ended during 'once'"):
        asked.once(1)


def event(seq: int, line: int) -> bytes:
    told = f'{{"seq":{seq},"at":"2026-01-01T00:00:00.5Z","text":"line {line} of a task"}}'
    return f"id: {seq}\nevent: log\ndata: {told}\n\n".encode()


END = b'event: end\ndata: {"last_seq":3}\n\n'
WHOLE = (event(1, 1), event(2, 2), event(3, 3), END)


@pytest.fixture
def journal() -> Iterator[tuple[str, list[bytes]]]:
    """A server that sends every reader the same chunks; its URL, and the list to put the chunks in."""
    chunks: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            with link:
                link.recv(4096)
                link.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                link.sendall(b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", chunks
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)


@pytest.mark.parametrize(
    ("sent", "verdict"),
    [
        (WHOLE, (True, True, True)),
        ((WHOLE[0] + WHOLE[1][:9], WHOLE[1][9:] + WHOLE[2] + END), (True, True, True)),
        ((event(1, 1), event(2, 3), END), (False, True, True)),
        ((event(1, 1), event(2, 3), event(3, 2), END), (False, True, True)),
        ((event(1, 1), event(3, 2), event(2, 3), END), (True, False, True)),
        (WHOLE[:3], (True, True, False)),
    ],
    ids=["whole", "cut anywhere", "missing", "mixed", "numbers mixed", "no end"],
)
def test_a_reader_sees_what_is_wrong(
    processes: Processes,
    tmp_path: Path,
    *,
    journal: tuple[str, list[bytes]],
    sent: tuple[bytes, ...],
    verdict: tuple[bool, bool, bool],
) -> None:
    url, chunks = journal
    chunks[:] = sent
    readers = driver(processes, str(DRIVING / "readers.py"), TASKGATE_URL=url, TASKGATE_API_KEY="k")
    readers.ask({"do": "open", "run": "r", "readers": 2}, timeout_s=10)
    file = tmp_path / "verdicts.json"
    readers.ask({"do": "read", "timeout_s": 10, "count": 3, "file": str(file)}, timeout_s=20)
    found = json.loads(file.read_text(encoding="utf-8"))
    assert [(reader["is_whole"], reader["is_in_order"], reader["has_end"]) for reader in found] == [verdict] * 2
