"""`taskgate call`: the journal on standard error, the output on standard output, and nothing else there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.cli.conftest import Run
from tests.flows.client.scripted import Asked, Reply, Script, event, problem, run_content, serving

EVENTS = {"Content-Type": "text/event-stream"}


def gateway_that(ended: Reply) -> Script:
    """Accepts, tells a journal of three, then the end."""

    def script(asked: Asked) -> Reply:
        if asked.path.endswith("/journal"):
            progress = event(2, "progress", fraction=0.25, text="counting")
            pieces = [event(1, text="hello"), progress, event(3, "result", text="over", fields={"count": 2})]
            return Reply(headers=EVENTS, pieces=pieces)
        return ended if asked.path.endswith("/wait") else Reply(status=202, content=run_content())

    return script


GOOD = Reply(content={"runs": [run_content(status="succeeded", output={"words": ["a"]})]})


def test_people_see_the_journal_and_the_output(run: Run) -> None:
    with serving(gateway_that(GOOD)) as gateway:
        said = run("call", "t", "--input", '{"x": 1}', "--label", "a=b", "--priority", "3", url=gateway.url)
    assert said.code == 0
    assert said.out == '{\n  "words": [\n    "a"\n  ]\n}\n'
    assert said.err.splitlines() == ["run run-1", "   1 hello", "   2  25% counting", "   3 over"]
    assert gateway.asked[0].json == {"input": {"x": 1}, "labels": {"a": "b"}, "priority": 3}


def test_machines_see_the_output_alone(run: Run) -> None:
    with serving(gateway_that(GOOD)) as gateway:
        said = run("call", "t", "--input", "1", "--json", url=gateway.url)
    assert (said.code, said.json, said.err) == (0, {"words": ["a"]}, "")


def test_a_failed_run_is_exit_code_one(run: Run) -> None:
    error = {"code": "BROKEN", "message": "it broke"}
    bad = Reply(content={"runs": [run_content(status="failed", error=error)]})
    with serving(gateway_that(bad)) as gateway:
        said = run("call", "t", url=gateway.url)
        machine = run("call", "t", "--json", url=gateway.url)
    assert (said.code, said.out) == (1, "")
    assert said.err.splitlines()[-1] == "error: it broke [BROKEN]"
    assert (machine.code, machine.error["code"]) == (1, "BROKEN")


def test_an_invalid_input_names_the_place(run: Run) -> None:
    with serving(lambda asked: problem(422, "INVALID_INPUT", detail="not a number", path="/x")) as gateway:
        said = run("call", "t", "--input", '{"x": "y"}', url=gateway.url)
    assert (said.code, said.err) == (1, "error: not a number (at /x) [INVALID_INPUT]\n")


def test_not_waiting(run: Run) -> None:
    with serving(gateway_that(GOOD)) as gateway:
        assert run("call", "t", "--wait", "0", url=gateway.url).out == "run-1\n"
        assert run("call", "t", "--wait", "0", "--json", url=gateway.url).json == {"id": "run-1", "status": "queued"}


def test_waiting_too_short_names_the_run(run: Run) -> None:
    def script(asked: Asked) -> Reply:
        if asked.path.endswith("/wait"):
            return Reply(content={"runs": []})
        return Reply(status=202, content=run_content())

    with serving(script) as gateway:
        said = run("call", "t", "--wait", "0.2", "--json", url=gateway.url)
    assert (said.code, said.error["code"], said.error["id"]) == (1, "STILL_RUNNING", "run-1")


def test_inputs_from_files_and_pipes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text('{"from": "file"}')
    with serving(gateway_that(GOOD)) as gateway:
        run("call", "t", "-i", "@in.json", "--json", url=gateway.url)
        run("call", "t", "-i", "-", "--json", url=gateway.url, stdin='{"from": "pipe"}')
    submits = [asked.json["input"] for asked in gateway.asked if asked.path.endswith("/runs")]
    assert submits == [{"from": "file"}, {"from": "pipe"}]


@pytest.mark.parametrize("given", ["{", "", "@missing.json", "[" * 100_000, "nope"])
def test_an_input_that_is_no_json_is_wrong_usage(run: Run, given: str) -> None:
    said = run("call", "t", "--input", given, url="http://127.0.0.1:9")
    assert said.code == 2
    assert len(said.err) < 500
