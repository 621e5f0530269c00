"""Commands that look and operate: a table for people, JSON for machines, one line per error, exit code 0/1/2."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest

from taskgate.cli.root import COMMANDS, root
from tests.flows.cli.conftest import Run
from tests.flows.client.scripted import Asked, Reply, problem, replies, run_content, serving

ERROR = {"code": "BROKEN", "message": "it \x1b[31mbroke", "retryable": False}
ATTEMPT = {
    "number": 1,
    "target": "workers",
    "holder": "w-1",
    "started_at": "2026-01-02T03:04:05Z",
    "ended_at": "2026-01-02T03:04:07Z",
    "outcome": "failed",
    "error": ERROR,
    "request": {"x": 1},
    "response": None,
    "moved_on_because": "",
}
FAILED = run_content("run-9", "failed", error=ERROR, attempts=[ATTEMPT], input={"x": 1}, output=None)
PAGE = Reply(content={"runs": [FAILED, run_content("run-8", "succeeded")], "cursor": ""})


def leaves(command: click.Command, name: str) -> list[tuple[str, click.Command]]:
    """Every command below one, with its full name."""
    if not isinstance(command, click.Group):
        return [(name, command)]
    with click.Context(command) as context:
        return [
            leaf
            for sub in command.list_commands(context)
            if (found := command.get_command(context, sub)) is not None
            for leaf in leaves(found, f"{name} {sub}".strip())
        ]


LEAVES = leaves(root, "")


@pytest.mark.parametrize("words", [(), ("runs",), ("workers",), ("db",)])
def test_a_group_without_a_command_tells_its_help(run: Run, words: tuple[str, ...]) -> None:
    said = run(*words)
    assert (said.code, said.out) == (2, "")
    assert said.err == run(*words, "--help").out
    assert "error" not in said.err


def test_every_promised_command_is_there() -> None:
    """INTERFACES 1, as far as this version goes."""
    names = {name for name, _ in LEAVES}
    assert names >= {"up", "serve", "worker", "check", "doctor", "call", "version"}
    assert names >= {f"runs {verb}" for verb in ("ls", "show", "logs", "cancel", "retry")}
    assert names >= {f"tasks {verb}" for verb in ("ls", "show", "apply", "rm")}
    assert names >= {"workers ls", "workers drain", "dead ls", "dead retry", "dead purge"}
    assert names >= {f"keys {verb}" for verb in ("create", "ls", "revoke", "rotate")}


@pytest.mark.parametrize(("name", "command"), LEAVES, ids=[name for name, _ in LEAVES])
def test_every_command_explains_itself(run: Run, name: str, command: click.Command) -> None:
    """--help with an example that the command itself would take."""
    said = run(*name.split(), "--help")
    assert said.code == 0
    assert f"taskgate {name}" in said.out
    assert "Example" in said.out
    options = {option for param in command.params for option in param.opts}
    for example in re.findall(rf"^\s*(?:Example: )?taskgate {name}\b(.*)", said.out, re.MULTILINE):
        assert set(re.findall(r"(?<=\s)--?[a-z][a-z-]*", example)) <= options


@pytest.mark.parametrize(("name", "command"), LEAVES, ids=[name for name, _ in LEAVES])
def test_every_command_that_answers_speaks_json(name: str, command: click.Command) -> None:
    """The ones that run until they are stopped have no answer."""
    if name not in ("up", "serve", "worker"):
        assert any("--json" in param.opts for param in command.params)


def test_a_table_of_runs(run: Run) -> None:
    with serving(replies(PAGE)) as gateway:
        said = run("runs", "ls", "--task", "t", url=gateway.url)
    assert said.code == 0
    assert [line.split()[0] for line in said.out.splitlines() if line.startswith("run-")] == ["run-9", "run-8"]
    assert "BROKEN" in said.out


def test_the_same_as_json(run: Run) -> None:
    with serving(replies(PAGE)) as gateway:
        said = run("runs", "ls", "--json", url=gateway.url)
    assert [found["id"] for found in said.json] == ["run-9", "run-8"]
    assert said.err == ""


def test_a_table_of_nothing(run: Run) -> None:
    with serving(replies(Reply(content={"runs": [], "cursor": ""}))) as gateway:
        assert run("runs", "ls", url=gateway.url).out.strip() == "nothing"
        assert run("runs", "ls", "--json", url=gateway.url).json == []


def test_a_run_whole(run: Run) -> None:
    """What a task wrote cannot drive the terminal (S29)."""
    with serving(replies(Reply(content=FAILED))) as gateway:
        said = run("runs", "show", "run-9", url=gateway.url)
        machine = run("runs", "show", "run-9", "--json", url=gateway.url)
    assert "it \\x1b[31mbroke (BROKEN)" in said.out
    assert "\x1b" not in said.out
    assert re.search(r"w-1\s+2.0 s\s+failed", said.out)
    assert machine.json["attempts"][0]["error"]["code"] == "BROKEN"
    assert machine.json["input"] == {"x": 1}


def test_why_a_run_waits(run: Run) -> None:
    why = {"waiting": True, "reasons": [{"code": "NO_WORKER", "text": "no worker does t"}]}

    def script(asked: Asked) -> Reply:
        return Reply(content=why if asked.path.endswith("/why") else run_content())

    with serving(script) as gateway:
        assert "no worker does t (NO_WORKER)" in run("runs", "show", "run-1", url=gateway.url).out


def test_some_cancels_work_and_some_do_not(run: Run) -> None:
    def script(asked: Asked) -> Reply:
        if asked.path.endswith("run-2/cancel"):
            return problem(409, "RUN_ENDED", detail="the run has already failed")
        return Reply(content=run_content(asked.path.split("/")[3], "cancelled"))

    with serving(script) as gateway:
        said = run("runs", "cancel", "run-1", "run-2", url=gateway.url)
        machine = run("runs", "cancel", "run-1", "run-2", "--json", url=gateway.url)
    assert said.code == machine.code == 1
    assert said.out.splitlines() == ["run-1 cancelled", "run-2: the run has already failed"]
    assert [verdict["ok"] for verdict in machine.json] == [True, False]


def test_tasks_are_applied_from_a_file(run: Run, tmp_path: Path) -> None:
    """What `tasks show` prints, `tasks apply` takes back."""
    shown = {"name": "a.b", "description": "d", "targets": [{"kind": "workers"}], "declared": True, "shared": False}
    file = tmp_path / "task.json"
    with serving(replies(Reply(content=shown))) as gateway:
        file.write_text(run("tasks", "show", "a.b", url=gateway.url).out)
        said = run("tasks", "apply", str(file), url=gateway.url)
    assert said.out == "a.b is declared\n"
    asked = gateway.asked[-1]
    assert (asked.method, asked.path) == ("PUT", "/v1/tasks/a.b")
    assert asked.json == {"description": "d", "targets": [{"kind": "workers"}]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.toml", '[[tasks]]\nname = "a"\n[[tasks]]\nname = "b"\n'),
        ("t.yaml", "tasks:\n- name: a\n- name: b\n"),
        ("t.json", '[{"name": "a"}, {"name": "b"}]'),
    ],
)
def test_several_tasks_in_one_file(run: Run, tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)

    def script(asked: Asked) -> Reply:
        return Reply(content={"name": asked.path.rpartition("/")[2]})

    with serving(script) as gateway:
        assert run("tasks", "apply", name, url=gateway.url).out == "a is declared\nb is declared\n"


@pytest.mark.parametrize("content", ["", "3", "[]", "[1]", "{"])
def test_a_file_without_tasks_is_wrong_usage(run: Run, tmp_path: Path, content: str) -> None:
    (tmp_path / "t.json").write_text(content)
    assert run("tasks", "apply", "t.json").code == 2


def test_a_new_key_is_shown_once_and_alone(run: Run) -> None:
    key = {"id": "abc", "name": "n", "scopes": ["submit"], "site_id": "default", "key": "tg_abc_text"}
    with serving(replies(Reply(status=201, content=key))) as gateway:
        said = run("keys", "create", "n", "--scope", "submit", "--days", "1", url=gateway.url)
        machine = run("keys", "create", "n", "--scope", "submit", "--json", url=gateway.url)
    assert said.out == "tg_abc_text\n"
    assert "tg_abc_text" not in said.err
    assert machine.json["key"] == "tg_abc_text"
    assert set(gateway.asked[0].json) == {"name", "scopes", "kind", "site_id", "expires_at"}


def test_a_key_for_services_below_some_paths(run: Run) -> None:
    key = {"id": "abc", "name": "n", "scopes": ["register"], "site_id": "default", "key": "tg_abc_text"}
    with serving(replies(Reply(status=201, content=key))) as gateway:
        prefixes = ("--prefix", "/v1/ai", "--prefix", "/x")
        run("keys", "create", "n", "--scope", "register", *prefixes, url=gateway.url)
    assert gateway.asked[0].json["prefixes"] == ["/v1/ai", "/x"]


def test_keys_are_listed_without_their_text(run: Run) -> None:
    key = {"id": "abc", "name": "n", "scopes": ["submit"], "last4": "wxyz", "created_at": "2026-01-02T03:04:05Z"}
    with serving(replies(Reply(content={"keys": [key]}))) as gateway:
        assert "…wxyz" in run("keys", "ls", url=gateway.url).out
        assert "key" not in run("keys", "ls", "--json", url=gateway.url).json[0]


def test_dead_letters(run: Run) -> None:
    retried = {"runs": [run_content("run-10")], "refused": [{"id": "run-7", "error": {"detail": "gone"}}]}

    def script(asked: Asked) -> Reply:
        if asked.path == "/v1/dead/retry":
            return Reply(content=retried)
        return Reply(content={"purged": 3}) if asked.path == "/v1/dead/purge" else PAGE

    with serving(script) as gateway:
        assert "run-9" in run("dead", "ls", url=gateway.url).out
        said = run("dead", "retry", "--task", "t", url=gateway.url)
        assert (said.code, said.out) == (1, "run run-10 is new\nrun-7 stays: gone\n")
        assert run("dead", "purge", "--all", "--yes", "--json", url=gateway.url).json == {"purged": 3}
    assert gateway.asked[1].json == {"ids": [], "task": "t"}


@pytest.mark.parametrize(
    "arguments", [["purge", "--all"], ["purge"], ["retry"], ["retry", "run-1", "--all"], ["purge", "--task", "t"]]
)
def test_deleting_wants_to_be_said(run: Run, arguments: list[str]) -> None:
    assert run("dead", *arguments, url="http://127.0.0.1:9").code == 2


def test_workers(run: Run) -> None:
    worker = {"id": "w-1", "status": "online", "tasks": ["a", "b"], "slots": 4, "running": 1, "labels": {"gpu": "a"}}
    with serving(replies(Reply(content={"workers": [worker]}), Reply(status=202, content={}))) as gateway:
        said = run("workers", "ls", url=gateway.url)
        assert run("workers", "drain", "w-1", url=gateway.url).out == "w-1 takes nothing new\n"
    assert re.search(r"w-1\s+online\s+1/4\s+a, b\s+gpu=a", said.out)


def test_gateways(run: Run) -> None:
    gateway = {
        "id": "abcdefghijkl", "host": "gate-1", "version": "1.2", "status": "leaving", "leads": ["janitor", "journals"],
        "workers": 3, "running": 2, "here": True, "started_at": "2026-01-02T03:04:05Z",
    }  # fmt: skip
    whole, half = ({"gateways": [gateway], "complete": complete} for complete in (True, False))
    with serving(replies(Reply(content=whole), Reply(content=half), Reply(content=half))) as served:
        said = run("gateways", url=served.url)
        assert re.search(r"gate-1\s+abcdefgh\*\s+leaving\s+1\.2\s.*\s3\s+2\s+janitor, journals", said.out)
        assert said.err == ""
        assert "may not be whole" in run("gateways", url=served.url).err
        assert run("gateways", "--json", url=served.url).json["complete"] is False


def test_the_journal_as_lines(run: Run) -> None:
    entries: list[dict[str, Any]] = [
        {"seq": 1, "kind": "log", "text": "hello"},
        {"seq": 2, "kind": "progress", "fraction": 0.5, "text": "half"},
    ]

    def script(asked: Asked) -> Reply:
        return Reply(content={"entries": entries} if "journal" in asked.path else run_content())

    with serving(script) as gateway:
        said = run("runs", "logs", "run-1", url=gateway.url)
        machine = run("runs", "logs", "run-1", "--json", url=gateway.url)
    assert said.out.splitlines() == ["   1 hello", "   2  50% half"]
    assert [json.loads(line)["seq"] for line in machine.out.splitlines()] == [1, 2]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["nope"], 2), (["runs", "ls", "--nope"], 2), (["runs", "show"], 2), (["keys", "create", "x"], 2)],
)
def test_wrong_usage(run: Run, arguments: list[str], code: int) -> None:
    said = run(*arguments)
    assert (said.code, said.out) == (code, "")
    assert re.fullmatch(r"error: .*--help\) \[USAGE\]\n", said.err)


def test_a_refusal_is_one_line(run: Run) -> None:
    with serving(replies(problem(404, "NOT_FOUND", detail="no such\nrun \x07"))) as gateway:
        said = run("runs", "show", "x", url=gateway.url)
        machine = run("runs", "show", "x", "--json", url=gateway.url)
    assert (said.code, said.err) == (1, "error: no such\\x0arun \\x07 [NOT_FOUND]\n")
    assert (machine.code, machine.error["code"], machine.out) == (1, "NOT_FOUND", "")


def test_without_a_key_it_says_what_to_do(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(replies(problem(401, "UNAUTHENTICATED"))) as gateway:
        monkeypatch.setenv("TASKGATE_URL", gateway.url)
        said = run("runs", "ls")
    assert (said.code, "set TASKGATE_API_KEY" in said.err) == (1, True)


def test_check_says_where_it_is_wrong(run: Run, tmp_path: Path) -> None:
    (tmp_path / "gate.toml").write_text("[http]\nprot = 1\n")
    said = run("check", "--config", "gate.toml")
    assert (said.code, said.out) == (1, "")
    assert "did you mean http.port?" in said.err


def test_check_names_what_is_set_and_has_no_effect(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """For people and for machines, beside the result."""
    monkeypatch.setenv("GRPC_MAX_WORKERS", "10")
    monkeypatch.setenv("GATEWAY__INTERNAL_API_KEY", "hunter2")
    for flags in ((), ("--json",)):
        said = run("check", *flags)
        assert said.code == 0
        assert "GRPC_MAX_WORKERS is set and has no effect" in said.err
        assert "GATEWAY__INTERNAL_API_KEY is set and has no effect" in said.err
        assert "hunter2" not in said.err + said.out


def test_version(run: Run) -> None:
    assert run("version", "--json").json["version"] == run("--version").out.split()[-1]


def test_the_list_of_commands_is_the_tree() -> None:
    assert {name.split()[0] for name, _ in LEAVES} == set(COMMANDS)
