"""Runs in a real task process: what goes in, what comes out, what is said on the way."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.flows.worker.bench import Bench, value_of
from tests.flows.worker.conftest import NewBench


async def test_values_go_through(bench: Bench) -> None:
    for value in (None, 1, "é", [1, {"a": 2}], {"x": 1.5}):
        answer = await bench.run("echo", {"value": value})
        assert answer.is_ok
        assert value_of(answer) == value
    assert value_of(await bench.run("later", {"value": 7})) == 7


async def test_a_task_knows_its_run(bench: Bench) -> None:
    answer = await bench.run("about", tenant={"site_id": "s"}, labels={"gpu": "no"}, traceparent="00-1", timeout_s=30.0)
    found = value_of(answer)
    assert found.pop("run_id").startswith("run-")
    assert found == {
        "attempt": 1, "tenant": {"site_id": "s"}, "labels": {"gpu": "no"}, "traceparent": "00-1", "has_time": True,
    }  # fmt: skip


async def test_one_process_does_many_runs_one_after_the_other(bench: Bench) -> None:
    ids = bench.offer("pid", count=300)
    pids = {value_of(await bench.answer(run_id)) for run_id in ids}
    assert pids == {bench.pool.slots[0].pid}
    assert bench.witness.begun_ids == ids, "every run is accepted once, in order, before its answer"


@pytest.mark.parametrize(
    ("task", "value", "code", "error_class", "retryable", "said"),
    [
        ("echo", {}, "INVALID_INPUT", "invalid", False, "required field `value`"),
        ("later", {"value": "x"}, "INVALID_INPUT", "invalid", False, "Expected `int`"),
        ("nowhere", None, "TASK_NOT_LOADED", "invalid", False, "no task 'nowhere'"),
        ("opaque", None, "OUTPUT_NOT_JSON", "invalid", False, "at `$.rows[0]` stands object"),
        ("raises", {"kind": "value"}, "TASK_FAILED", "task", None, "ValueError: bad"),
        ("raises", {"kind": "retry"}, "TASK_FAILED", "task", True, "Retry: later"),
        ("raises", {"kind": "never"}, "TASK_FAILED", "task", False, "NonRetryable: no"),
        ("raises", {"kind": "import"}, "TASK_FAILED", "task", False, "ImportError: missing"),
        ("raises", {"kind": "exit"}, "TASK_FAILED", "task", None, "sys.exit(3)"),
    ],
)
async def test_each_failure_has_its_answer_and_the_process_lives_on(
    bench: Bench, task: str, value: Any, code: str, error_class: str, retryable: bool | None, said: str
) -> None:
    before = bench.pool.slots[0].pid
    answer = await bench.run(task, value)
    assert (answer.is_ok, answer.code, answer.error_class, answer.retryable) == (False, code, error_class, retryable)
    assert said in value_of(answer)["message"]
    assert value_of(await bench.run("pid")) == before


async def test_the_failing_place_of_an_input_is_a_json_pointer(bench: Bench) -> None:
    assert value_of(await bench.run("later", {"value": "x"}))["path"] == "/value"


async def test_an_output_over_the_limit_never_leaves_the_process(bench: Bench) -> None:
    answer = await bench.run("echo", {"value": "x" * 2000}, max_output_bytes=1000)
    assert (answer.code, answer.retryable) == ("OUTPUT_TOO_LARGE", False)
    assert len(answer.body) < 1000


async def test_large_inputs_and_outputs_pass(bench: Bench) -> None:
    text = "ü" * 300_000
    assert value_of(await bench.run("echo", {"value": text})) == text


async def test_everything_a_task_says_is_heard_in_order(bench: Bench) -> None:
    (run_id,) = bench.offer("talk", {"count": 50})
    await bench.answer(run_id)
    lines = bench.witness.lines[run_id]
    assert lines["stdout"] == [f"out {number}" for number in range(50)] + [r"no newline\xff bytes"]
    assert lines["stderr"] == [f"err {number}" for number in range(50)]
    assert lines["log"] == [f"log {number}" for number in range(50)] + ["their.library: from the library"]
    assert set(bench.witness.levels[run_id]) == {"info", "warning"}
    assert bench.witness.progress[run_id] == [(0.5, "half")]


async def test_output_of_c_code_and_subprocesses_belongs_to_its_own_run(bench: Bench) -> None:
    ids = [bench.offer("raw_output", {"word": f"w{number}"})[0] for number in range(20)]
    for number, run_id in enumerate(ids):
        await bench.answer(run_id)
        lines = bench.witness.lines[run_id]
        assert lines["stdout"] == [f"fd w{number}", f"sub w{number}", f"c w{number}"]
        assert lines["stderr"] == [f"err w{number}"]


async def test_threads_and_forked_processes_are_heard(bench: Bench) -> None:
    (threaded,) = bench.offer("thread_talks")
    await bench.answer(threaded)
    assert bench.witness.lines[threaded]["stdout"] == ["from a thread"]
    (forked,) = bench.offer("forks_and_prints")
    await bench.answer(forked)
    assert sorted(bench.witness.lines[forked]["stdout"]) == ["from the child", "from the parent"]


async def test_output_is_live_while_a_run_goes_on(bench: Bench, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    (run_id,) = bench.offer("slow_talk", {"gate": str(gate)})
    await bench.until(lambda: bench.witness.lines.get(run_id, {}).get("stdout") == ["early"])
    gate.touch()
    await bench.answer(run_id)
    assert bench.witness.lines[run_id]["stdout"] == ["early", "late"]


async def test_a_flood_of_output_blocks_nothing_and_is_bounded(new_bench: NewBench) -> None:
    """000.3 item 15: a line that is too long, or too many of them, never hangs a run."""
    bench = await new_bench(max_log_bytes=1 << 20)
    (run_id,) = bench.offer("flood", {"megabytes": 64})
    assert value_of(await bench.answer(run_id)) == 64
    lines = bench.witness.lines[run_id]
    kept = sum(map(len, lines["stdout"]))
    assert 0.5 * (1 << 20) < kept <= 2.5 * (1 << 20)
    assert "bytes of output dropped" in lines["log"][-1]
    held = os.fstat(bench.pool.slots[0].child.out.fd).st_blocks * 512
    assert held <= 1 << 20, "what was read is given back"


async def test_inv_l3_a_line_of_any_length_arrives_whole(bench: Bench) -> None:
    (run_id,) = bench.offer("long_line", {"size": 200_000})
    await bench.answer(run_id)
    pieces = bench.witness.lines[run_id]["stdout"]
    assert "".join(pieces) == "é" * 200_000
    assert len(pieces) > 1


async def test_inv_a6_the_environment_of_a_task_is_clean(new_bench: NewBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """004.3 item 15: no credential of the worker, and nothing that the operator did not name."""
    for name in ("TASKGATE_API_KEY", "AWS_SECRET_ACCESS_KEY", "MODEL_KEY", "WANTED"):
        monkeypatch.setenv(name, "canary")
    bench = await new_bench(pass_env=("WANTED",), token="tg_canary")
    environment = value_of(await bench.run("environment"))
    assert [name for name, value in environment.items() if "canary" in value] == ["WANTED"]
    assert "PATH" in environment
    arguments = bench.pool.slots[0].child.process.args
    assert isinstance(arguments, list)
    assert "canary" not in " ".join(map(str, arguments))


async def test_a_forked_process_cannot_do_its_parents_runs(bench: Bench) -> None:
    pid = bench.pool.slots[0].pid
    ids = bench.offer("forks_and_returns", count=3) + bench.offer("pid", count=20)
    for run_id in ids:
        assert value_of(await bench.answer(run_id)) == pid


async def test_zombies_of_a_task_are_buried(bench: Bench) -> None:
    pid = bench.pool.slots[0].pid
    await bench.run("zombie")
    assert value_of(await bench.run("pid")) == pid, "a dead subprocess is no leftover"


async def test_a_killed_process_says_what_it_had_finished(new_bench: NewBench) -> None:
    """Results leave at once: a crash takes the run at hand and no other."""
    bench = await new_bench()
    for run_id in bench.offer("echo", {"value": 1}, count=50):
        await bench.answer(run_id)
    before = bench.offer("echo", {"value": 1}, count=30)
    (crash,) = bench.offer("dies", {"by": int(signal.SIGKILL)})
    after = bench.offer("echo", {"value": 2}, count=30)
    assert all([(await bench.answer(run_id)).is_ok for run_id in before + after])
    assert (await bench.answer(crash)).error_class == "crash"
