"""A machine with the base install alone: callers' and workers' commands run, a gateway's say what is missing."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.law.test_imports import LIGHT_MACHINE
from tests.law.tiers import present

COMMAND_LINE = (
    LIGHT_MACHINE.partition("for module in")[0] + "from taskgate.cli.root import root\nroot.main(sys.argv[2:])"
)


def light(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`taskgate ARGUMENTS` in a process that has only what the base install brings."""
    command = [sys.executable, "-I", "-c", COMMAND_LINE, ",".join(present("base")), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=folder)


@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_gateways_command_names_the_extra(tmp_path: Path, command: str) -> None:
    done = light(tmp_path, command)
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip install 'taskgate[server]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_worker_over_grpc_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        told = ("--gateway", f"http://{address}", "--grpc", address, "--token", "x", "--tasks", "mine")
        done = light(tmp_path, "doctor", *told, "--transport", "grpc")
    assert done.returncode == 1
    assert "pip install 'taskgate[grpc]'" in done.stdout
    assert "Traceback" not in done.stderr


def test_the_others_run(tmp_path: Path) -> None:
    assert json.loads(light(tmp_path, "version", "--json").stdout)["parts"] == ["client", "worker"]
    assert light(tmp_path, "worker", "--help").returncode == 0
    (tmp_path / "mine.py").write_text(
        "from taskgate import task\n\n@task\ndef twice(n: int) -> int:\n    return 2 * n\n"
    )
    arguments = ("--gateway", "http://127.0.0.1:9", "--token", "x", "--tasks", "mine", "--json")
    done = light(tmp_path, "doctor", *arguments)
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 1
    assert not findings["gateway"]["is_good"]
    assert findings["tasks"]["detail"].endswith("twice")
