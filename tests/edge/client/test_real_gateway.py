"""Both clients against the real gateway: what they send is what it takes, what it says is what they read."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from taskgate import Client, errors
from tests.edge.client.live import LiveGateway, SmallWorker
from tests.flows.client.conftest import Shell


def test_a_run_from_submit_to_output(shell: Shell, client: Any) -> None:
    run = shell.do(client.submit("echo", {"a": [1, "ä", None]}, labels={"from": "test"}, priority=3))
    entries = shell.do(run.follow())
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert entries[-1].kind == "result"
    assert "sha256" in entries[-1].fields
    assert shell.do(run.output()) == {"a": [1, "ä", None]}
    again = shell.do(client.run(run.id))
    assert (again.status, again.labels, again.input) == ("succeeded", {"from": "test"}, {"a": [1, "ä", None]})
    assert again.attempts[0].holder == "small"
    assert shell.do(again.journal()) == entries
    assert run.id in {found.id for found in shell.do(client.runs(task="echo", label="from=test"))}


def test_a_call_in_one_request(shell: Shell, client: Any) -> None:
    assert shell.do(client.call("echo", 5, wait_s=10)) == 5


def test_a_call_that_fails(shell: Shell, client: Any) -> None:
    with pytest.raises(errors.RunFailed, match="it broke") as caught:
        shell.do(client.call("broken", 1))
    dead = shell.do(client.dead.all(task="broken"))
    assert caught.value.run_id in {run.id for run in dead}
    retried = shell.do(client.dead.retry([caught.value.run_id]))
    assert shell.do(client.run(retried.runs[0].id)).state.retry_of == caught.value.run_id
    with pytest.raises(errors.RunFailed):
        shell.do(shell.do(client.run(retried.runs[0].id)).output())
    assert shell.do(client.dead.purge(task="broken")) >= 1
    assert shell.do(client.dead.all(task="broken")) == []


def test_a_batch_with_one_bad_item(shell: Shell, client: Any) -> None:
    values = [{"n": number} if number != 700 else {"n": "many"} for number in range(1500)]
    verdicts = shell.do(client.submit_many("strict", values, idempotency_key="batch-" + type(client).__name__))
    assert [number for number, verdict in enumerate(verdicts) if not verdict.is_accepted] == [700]
    assert isinstance(verdicts[700].error, errors.InvalidInput)
    assert "/n" in str(verdicts[700].error.extra["path"])
    runs = [verdict.run for verdict in verdicts if verdict.is_accepted]
    outputs = [shell.do(run.output()) for run in shell.do(client.wait_many(runs, 60))]
    assert outputs == [value for value in values if value["n"] != "many"]
    repeated = shell.do(client.submit_many("strict", values, idempotency_key="batch-" + type(client).__name__))
    assert [verdict.run.id for verdict in repeated if verdict.is_accepted] == [run.id for run in runs]


def test_the_same_key_is_the_same_run(shell: Shell, client: Any) -> None:
    """INV-T3"""
    key = f'once "and" only {type(client).__name__}'
    first = shell.do(client.submit("echo", 1, idempotency_key=key))
    assert shell.do(client.submit("echo", 1, idempotency_key=key)).id == first.id
    with pytest.raises(errors.KeyReused):
        shell.do(client.submit("echo", 2, idempotency_key=key))


def test_a_cancel_and_a_second_one(shell: Shell, client: Any, worker: SmallWorker) -> None:
    """INV-T9"""
    run = shell.do(client.submit("echo", 1, delay_s=3600))
    assert shell.do(run.why()).reasons[0].code == "DELAYED"
    assert shell.do(run.cancel()).status == "cancelled"
    with pytest.raises(errors.Conflict) as caught:
        shell.do(run.cancel())
    assert caught.value.extra["run_status"] == "cancelled"
    with pytest.raises(errors.RunCancelled):
        shell.do(run.output())
    assert shell.do(run.retry()).id != run.id


def test_waiting_has_an_end(shell: Shell, client: Any, worker: SmallWorker) -> None:
    run = shell.do(client.submit("patient", 1))
    with pytest.raises(errors.NotNow, match="STILL_RUNNING"):
        shell.do(run.wait(0.2))
    worker.go.set()
    assert shell.do(run.output(20)) == 1


def test_ends_come_as_they_happen(shell: Shell, client: Any) -> None:
    runs = [shell.do(client.submit("echo", number)) for number in range(20)]
    assert {run.id for run in shell.do(client.as_completed(runs, timeout_s=20))} == {run.id for run in runs}


@pytest.mark.parametrize("run_id", ["01890a5d-ac96-7cc5-9e4b-2f0c8b1d7a11", "no-id", "%2e", "ä b?"])
def test_an_unknown_run_is_not_found(shell: Shell, client: Any, run_id: str) -> None:
    with pytest.raises(errors.NotFound):
        shell.do(client.run(run_id))
    with pytest.raises(errors.NotFound):
        shell.do(client.wait_many([run_id], 1))


def test_an_unknown_task(shell: Shell, client: Any) -> None:
    with pytest.raises(errors.NotFound, match="UNKNOWN_TASK"):
        shell.do(client.submit("nope", 1))


def test_an_input_that_is_too_large(shell: Shell, client: Any) -> None:
    with pytest.raises(errors.TooLarge, match="INPUT_TOO_LARGE"):
        shell.do(client.submit("echo", "x" * (800 << 10)))


def test_keys_live_and_die(shell: Shell, client: Any, gateway: LiveGateway) -> None:
    """INV-A4: no key, a wrong key, a key without the scope, a revoked key."""
    made = shell.do(client.keys.create("reader", ["read"]))
    reader = shell.client(gateway.url, str(made.key))
    assert shell.do(reader.tasks.all())
    with pytest.raises(errors.Forbidden):
        shell.do(reader.submit("echo", 1))
    fresh = shell.do(client.keys.rotate(made.id))
    assert str(fresh.key) != str(made.key)
    shell.do(client.keys.revoke(fresh.id))
    for wrong in (str(fresh.key), str(made.key), "tg_nope", "x" * 300):
        with pytest.raises(errors.Unauthenticated):
            shell.do(shell.client(gateway.url, wrong).tasks.all())
    assert made.id in {key.id for key in shell.do(client.keys.all())}
    assert "tg_" not in repr(made)


def test_tasks_are_declared_and_removed(shell: Shell, client: Any) -> None:
    definition = {
        "name": "declared",
        "description": "by hand",
        "input_schema": {"type": "integer"},
        "targets": [{"kind": "workers", "retries": 1}],
        "examples": [1],
    }
    applied = shell.do(client.tasks.apply(definition))
    assert (applied.name, applied.input_schema, applied.declared) == ("declared", {"type": "integer"}, True)
    assert "declared" in {task.name for task in shell.do(client.tasks.all())}
    with pytest.raises(errors.InvalidInput):
        shell.do(client.submit("declared", "no number"))
    shell.do(client.tasks.remove("declared"))
    with pytest.raises(errors.NotFound):
        shell.do(client.tasks.find("declared"))


def test_a_journal_survives_restarts_of_the_gateway(
    shell: Shell, client: Any, gateway: LiveGateway, worker: SmallWorker
) -> None:
    """INV-L1, INV-L2: the gateway stops and starts twice while two readers follow; nobody misses or repeats a line."""
    run = shell.do(client.submit("chatty", "x"))
    other = shell.client(gateway.url, gateway.key("admin"), total_s=20.0)
    heard: list[Any] = []

    def disturb() -> None:
        for _ in range(2):
            before = last_line()
            while last_line() < before + 20:
                time.sleep(0.02)
            gateway.stop()
            gateway.start()
        worker.go.set()

    def last_line() -> int:
        with Client(gateway.url, gateway.key("admin")) as watcher:
            return max((entry.seq for entry in watcher.run(run.id).journal()), default=0)

    def listen() -> None:
        with Client(gateway.url, gateway.key("admin")) as listener:
            heard.extend(listener.run(run.id).follow())

    threads = [threading.Thread(target=disturb), threading.Thread(target=listen)]
    for thread in threads:
        thread.start()
    entries = shell.do(shell.do(other.run(run.id)).follow())
    for thread in threads:
        thread.join(60)
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert entries[-1].text == "succeeded"
    assert len(entries) > 40
    assert heard == entries
    assert shell.do(run.output()) == "x"


def test_a_service_is_announced_listed_and_taken_back(shell: Shell, client: Any) -> None:
    route = {"name": "now", "method": "GET", "gateway_path": "/v1/clock/now", "upstream_path": "/now"}
    told = {"name": "clock", "base_url": "http://127.0.0.1:9", "routes": [route], "lease_s": 0}
    found = shell.do(client.services.register(told))
    assert (found.service, found.routes, found.renew_after_s) == ("clock", ["GET /v1/clock/now"], 0.0)
    assert found.warnings
    (listed,) = [service for service in shell.do(client.services.all()) if service.name == "clock"]
    assert (listed.status, listed.base_url, listed.routes) == ("up", "http://127.0.0.1:9", ["GET /v1/clock/now"])
    assert [(one.gateway_path, one.upstream_path) for one in shell.do(client.routes.all())] == [
        ("/v1/clock/now", "/now")
    ]
    with pytest.raises(errors.InvalidInput, match="base_url"):
        shell.do(client.services.register({**told, "base_url": "nowhere"}))
    shell.do(client.services.withdraw("clock"))
    with pytest.raises(errors.NotFound):
        shell.do(client.services.withdraw("clock"))
