"""Nothing that a benchmark starts outlives it, and what it used is counted, whoever of its family used it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.processes import Processes, Trouble
from benchmarks.usage import cpu_s, memory_bytes, started, tree

# a child that leaves its session and ignores being asked, and says where it is
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    with open(sys.argv[1] + '.new', 'w') as file:
        file.write(str(os.getpid()))
    os.rename(sys.argv[1] + '.new', sys.argv[1])
    time.sleep(100)
time.sleep(100 if sys.argv[2] == 'stay' else 0)
"""
BUSY = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass\n"
FAMILY = f"import subprocess, sys, time\nsubprocess.run([sys.executable, '-c', {BUSY!r}])\nprint(1)\ntime.sleep(100)"

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the benchmarks read /proc")


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("way", ["stay", "leave"])
def test_a_grandchild_in_a_session_of_its_own_is_ended(tmp_path: Path, way: str) -> None:
    """Whether its parent is still there, or it has become an orphan."""
    place = tmp_path / "pid"
    with Processes(tmp_path) as processes:
        process = processes.start("stubborn", [sys.executable, "-c", STUBBORN, str(place), way])
        wait_for(place.exists)
        grandchild = int(place.read_text())
        if way == "leave":
            process.popen.wait(10)
        else:
            assert grandchild in tree(process.pid)
            process.popen.kill()  # spares the test the time that is given to those who may still listen
        assert started(grandchild)
    assert not started(grandchild)


def test_cpu_of_ended_children_counts(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        process = processes.start("family", [sys.executable, "-c", FAMILY])
        wait_for(lambda: "1" in process.log.read_text())
        assert tree(process.pid) == [process.pid]
        assert cpu_s(process.pid) >= 0.2
        assert 1 << 20 < memory_bytes(process.pid) < 1 << 30


def test_a_process_that_ended_by_itself_is_trouble(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        process = processes.start("brief", [sys.executable, "-c", "import sys; sys.exit('no room')"])
        process.popen.wait(10)
        with pytest.raises(Trouble, match="brief ended with 1: no room"):
            process.check()


def test_settings_of_this_shell_do_not_reach_what_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKGATE_AUTH__ENABLED", "false")
    monkeypatch.setenv("CELERY_CONFIG_MODULE", "other")
    with Processes(tmp_path) as processes:
        process = processes.start("env", [sys.executable, "-c", "import os; print(sorted(os.environ))"])
        process.popen.wait(10)
        assert os.environ["TASKGATE_AUTH__ENABLED"] == "false"
        seen = process.log.read_text()
        assert "TASKGATE_AUTH__ENABLED" not in seen
        assert "CELERY_CONFIG_MODULE" not in seen


def test_what_was_there_before_stays(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(100)"]
    other = subprocess.Popen(command)
    try:
        with Processes(tmp_path) as processes:
            process = processes.start("ours", command)
        assert not started(process.pid)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
