"""The command line against the real gateway, found by its data directory alone."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from taskgate import Client
from tests.edge.client.live import LiveGateway, SmallWorker
from tests.flows.cli.conftest import Said, run

__all__ = ["run"]
At = Callable[..., Said]


@pytest.fixture
def at(run: Callable[..., Said], gateway: LiveGateway, worker: SmallWorker) -> At:
    """Runs `taskgate ARGUMENTS --data-dir FOLDER` once the worker is there."""
    worker.go.clear()
    with Client(gateway.url, gateway.key("admin")) as client:
        while not any(found.status == "online" for found in client.workers.all()):
            time.sleep(0.02)
    return lambda *arguments: run(*arguments, "--data-dir", str(gateway.folder))


def test_a_call_and_everything_about_it(at: At) -> None:
    said = at("call", "echo", "--input", '{"a": 1}', "--wait", "20", "--json")
    assert (said.code, said.json) == (0, {"a": 1})
    run_id = at("runs", "ls", "--task", "echo", "--json").json[0]["id"]
    assert at("runs", "show", run_id, "--json").json["output"] == {"a": 1}
    assert at("runs", "logs", "-f", run_id).out.splitlines()[-1].endswith("succeeded")
    assert at("runs", "cancel", run_id).code == 1
    again = at("runs", "retry", run_id, "--json").json[0]["result"]
    assert at("runs", "show", again, "--json").json["retry_of"] == run_id


def test_what_is_there(at: At) -> None:
    assert {"echo", "strict"} <= {task["name"] for task in at("tasks", "ls", "--json").json}
    assert [worker["id"] for worker in at("workers", "ls", "--json").json] == ["small"]
    assert {"first admin", "first worker"} <= {key["name"] for key in at("keys", "ls", "--json").json}
    assert at("dead", "ls", "--json").json == []


def test_a_bad_input_names_the_place(at: At) -> None:
    said = at("call", "strict", "--input", '{"n": "x"}', "--json")
    assert (said.code, said.error["code"], said.error["path"]) == (1, "INVALID_INPUT", "/n")


def test_a_dead_letter_comes_and_goes(at: At) -> None:
    assert at("call", "broken").code == 1
    assert len(at("dead", "ls", "--json").json) == 1
    assert at("dead", "purge", "--task", "broken", "--yes").out == "1 dead letters deleted\n"


def test_a_key_from_making_to_revoking(at: At) -> None:
    made = at("keys", "create", "reader", "--scope", "read", "--json").json
    assert made["key"].startswith("tg_")
    assert at("keys", "revoke", made["id"]).out == f"{made['id']} is revoked\n"


def test_a_declaration_and_back(at: At, tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text('name = "made"\ndescription = "by hand"\n')
    assert at("tasks", "apply", "t.toml").out == "made is declared\n"
    assert at("tasks", "show", "made").json["description"] == "by hand"
    assert at("call", "made", "--wait", "0").code == 0
    waiting = at("runs", "ls", "--task", "made", "--json").json[0]["id"]
    assert "waiting for" in at("runs", "show", waiting).out
    assert at("runs", "cancel", waiting).out == f"{waiting} cancelled\n"
    assert at("tasks", "rm", "made").code == 0


def test_an_interrupted_call_leaves_the_run_alone(at: At, gateway: LiveGateway, worker: SmallWorker) -> None:
    """Ctrl-C ends the watching: exit code 130, no trace, and the run goes on to its end."""
    command = [sys.executable, "-m", "taskgate", "call", "patient", "--input", "7", "--data-dir", str(gateway.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        run_id = process.stderr.readline().removeprefix("run ").strip()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert f"taskgate runs cancel {run_id}" in err
    worker.go.set()
    assert at("runs", "logs", "-f", run_id).code == 0
    assert at("runs", "show", run_id, "--json").json["output"] == 7


def test_a_reader_that_leaves_early_is_no_error(gateway: LiveGateway) -> None:
    command = f"{sys.executable} -m taskgate runs logs --help | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=20, check=False)
    assert done.stderr == ""
