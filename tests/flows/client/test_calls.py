"""Both clients against a real server: submit, batches, waiting, errors, lost answers."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from typing import Any

import pytest

from taskgate import errors
from tests.flows.client.conftest import Shell
from tests.flows.client.scripted import CUT, Asked, Reply, problem, replies, run_content, serving

ACCEPTED = Reply(status=202, content=run_content())


def test_a_submit_says_who_and_what(shell: Shell) -> None:
    with serving(replies(ACCEPTED)) as gateway:
        client = shell.client(gateway.url, "tg_secret")
        run = shell.do(client.submit("a.b", {"x": 1}, priority=5, labels={"k": "v"}, run_at=0))
    asked = gateway.asked[0]
    assert (run.id, run.status, run.task) == ("run-1", "queued", "t")
    assert (asked.method, asked.path) == ("POST", "/v1/tasks/a.b/runs")
    assert asked.headers["x-api-key"] == "tg_secret"
    assert asked.json == {"input": {"x": 1}, "priority": 5, "labels": {"k": "v"}, "run_at": "1970-01-01T00:00:00Z"}
    assert asked.headers["idempotency-key"].startswith('"')


def test_a_lost_answer_is_asked_for_again_under_the_same_key(shell: Shell) -> None:
    """INV-T3: whether the first request arrived or not, there is one run."""
    with serving(replies(CUT, CUT, ACCEPTED)) as gateway:
        run = shell.do(shell.client(gateway.url).submit("t", 1))
    assert run.id == "run-1"
    assert len(gateway.asked) == 3
    assert len({(asked.headers["idempotency-key"], asked.body) for asked in gateway.asked}) == 1


def test_two_submits_have_two_keys(shell: Shell) -> None:
    with serving(replies(ACCEPTED)) as gateway:
        client = shell.client(gateway.url)
        for _ in range(2):
            shell.do(client.submit("t", 1))
        shell.do(client.submit("t", 1, idempotency_key='mine "quoted"'))
    keys = [asked.headers["idempotency-key"] for asked in gateway.asked]
    assert len(set(keys)) == 3
    assert keys[2] == '"mine \\"quoted\\""'


def test_connections_are_kept(shell: Shell) -> None:
    """Ten calls one after the other use one connection: the script sees them on one thread."""
    threads: Counter[int] = Counter()

    def script(asked: Asked) -> Reply:
        threads[threading.get_ident()] += 1
        return ACCEPTED

    with serving(script) as gateway:
        client = shell.client(gateway.url)
        for _ in range(10):
            shell.do(client.submit("t", 1))
        shell.do(client.close())
    assert list(threads.values()) == [10]


@pytest.mark.parametrize(("status", "code"), [(503, "UNAVAILABLE"), (429, "RATE_LIMITED"), (502, "HTTP_502")])
def test_waits_its_turn(shell: Shell, status: int, code: str) -> None:
    with serving(replies(problem(status, code, retry_after=0), ACCEPTED)) as gateway:
        assert shell.do(shell.client(gateway.url).submit("t", 1)).id == "run-1"
    assert len(gateway.asked) == 2


def test_gives_up_at_once_when_told_to_wait_longer_than_it_may(shell: Shell) -> None:
    with (
        serving(replies(problem(503, "UNAVAILABLE", retry_after=3600))) as gateway,
        pytest.raises(errors.Unavailable) as caught,
    ):
        shell.do(shell.client(gateway.url).submit("t", 1))
    assert caught.value.retry_after_s == 3600
    assert len(gateway.asked) == 1


def test_a_gateway_that_is_not_there_is_unavailable(shell: Shell) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(errors.Unavailable, match="cannot connect") as caught:
            shell.do(shell.client(url, "tg_verysecret", total_s=0.1).submit("t", 1))
    assert caught.value.code == "UNREACHABLE"
    assert "verysecret" not in str(caught.value)


def test_a_silent_gateway_is_left_in_time(shell: Shell) -> None:
    release = threading.Event()

    def script(asked: Asked) -> Reply:
        release.wait(10)
        return CUT

    with serving(script) as gateway:
        client = shell.client(gateway.url, answer_s=0.1, total_s=0.2)
        with pytest.raises(errors.Unavailable, match="in time"):
            shell.do(client.submit("t", 1))
        release.set()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "UNKNOWN_TASK", errors.NotFound),
        (422, "INVALID_INPUT", errors.InvalidInput),
        (422, "IDEMPOTENCY_KEY_REUSED", errors.KeyReused),
        (401, "UNAUTHENTICATED", errors.Unauthenticated),
        (403, "FORBIDDEN", errors.Forbidden),
        (413, "INPUT_TOO_LARGE", errors.TooLarge),
        (409, "RUN_ENDED", errors.Conflict),
        (418, "FROM_THE_FUTURE", errors.CallerError),
        (500, "INTERNAL", errors.TaskgateError),
    ],
)
def test_errors_are_typed_and_not_repeated(
    shell: Shell, status: int, code: str, kind: type[errors.TaskgateError]
) -> None:
    with (
        serving(replies(problem(status, code, path="/input/x"))) as gateway,
        pytest.raises(errors.TaskgateError) as caught,
    ):
        shell.do(shell.client(gateway.url).submit("t", 1))
    assert type(caught.value) is kind
    assert caught.value.code == code
    assert caught.value.extra == {"path": "/input/x"}
    assert len(gateway.asked) == 1


def test_a_proxys_page_is_not_quoted(shell: Shell) -> None:
    with (
        serving(replies(Reply(status=400, body=b"<html>secret page</html>"))) as gateway,
        pytest.raises(errors.CallerError, match="HTTP_400: answered with 400"),
    ):
        shell.do(shell.client(gateway.url).submit("t", 1))


def test_a_redirect_is_not_followed(shell: Shell) -> None:
    """The key never goes to an address that was not named."""
    with (
        serving(replies(Reply(status=307, headers={"Location": "/elsewhere"}))) as gateway,
        pytest.raises(errors.TaskgateError, match="HTTP_307"),
    ):
        shell.do(shell.client(gateway.url).submit("t", 1))
    assert [asked.path for asked in gateway.asked] == ["/v1/tasks/t/runs"]


def test_a_batch_of_a_generator(shell: Shell) -> None:
    """2,500 values in three requests, each item with its own key and verdict."""

    def script(asked: Asked) -> Reply:
        rows: list[dict[str, Any]] = [
            {"status": 202, "run": run_content(f"run-{item['input']}")}
            if item["input"] % 1000 != 7
            else {"status": 422, "error": {"status": 422, "code": "INVALID_INPUT", "detail": "no sevens"}}
            for item in asked.json["items"]
        ]
        return Reply(status=202, content={"items": rows})

    with serving(script) as gateway:
        client = shell.client(gateway.url)
        verdicts = shell.do(client.submit_many("t", (n for n in range(2500)), idempotency_key="k"))
    assert [len(asked.json["items"]) for asked in gateway.asked] == [1000, 1000, 500]
    assert [item["idempotency_key"] for item in gateway.asked[1].json["items"][:2]] == ["k-1000", "k-1001"]
    assert [number for number, verdict in enumerate(verdicts) if not verdict.is_accepted] == [7, 1007, 2007]
    assert verdicts[2499].run.id == "run-2499"
    with pytest.raises(errors.InvalidInput, match="no sevens"):
        _ = verdicts[7].run


def test_a_batch_whose_answer_got_lost_is_sent_again_as_it_was(shell: Shell) -> None:
    good = Reply(status=202, content={"items": [{"status": 202, "run": run_content()}]})
    with serving(replies(CUT, good)) as gateway:
        assert len(shell.do(shell.client(gateway.url).submit_many("t", [1]))) == 1
    assert gateway.asked[0].body == gateway.asked[1].body


def test_waiting_goes_on_until_the_end(shell: Shell) -> None:
    ended = Reply(content={"runs": [run_content(status="succeeded", output=[1, 2])]})
    with serving(replies(ACCEPTED, Reply(content={"runs": []}), CUT, ended)) as gateway:
        run = shell.do(shell.client(gateway.url).submit("t", 1))
        assert shell.do(run.output()) == [1, 2]
        assert shell.do(run.output()) == [1, 2]
    assert [asked.path for asked in gateway.asked] == ["/v1/tasks/t/runs", *["/v1/runs/wait"] * 3]


def test_waiting_has_an_end_of_its_own(shell: Shell) -> None:
    with serving(replies(ACCEPTED, Reply(content={"runs": []}))) as gateway:
        run = shell.do(shell.client(gateway.url).submit("t", 1))
        with pytest.raises(errors.NotNow) as caught:
            shell.do(run.wait(0.05))
    assert caught.value.code == "STILL_RUNNING"
    assert caught.value.extra == {"ids": ["run-1"]}


@pytest.mark.parametrize(
    ("status", "kind"),
    [("failed", errors.RunFailed), ("cancelled", errors.RunCancelled), ("timed_out", errors.RunTimedOut)],
)
def test_an_end_without_output_is_an_error(shell: Shell, status: str, kind: type[errors.RunEnded]) -> None:
    error = {"code": "BROKEN", "message": "it broke", "retryable": False}
    with (
        serving(replies(Reply(content=run_content(status=status, error=error)))) as gateway,
        pytest.raises(kind, match="it broke") as caught,
    ):
        shell.do(shell.client(gateway.url).call("t", 1))
    assert caught.value.run_id == "run-1"
    assert gateway.asked[0].headers["prefer"] == "wait=25"


def test_as_completed_gives_each_run_once(shell: Shell) -> None:
    """More runs than fit into one request; ends come in two halves, some are told twice."""
    names = [f"run-{n}" for n in range(1500)]
    seen: set[str] = set()

    def script(asked: Asked) -> Reply:
        wanted = asked.json["ids"]
        assert len(wanted) <= 1000
        seen.update(wanted)
        ended = [run_content(name, "succeeded", output=name) for name in [*wanted[:400], *wanted[:1]]]
        return Reply(content={"runs": ended})

    with serving(script) as gateway:
        runs = shell.do(shell.client(gateway.url).as_completed([*names, names[0]]))
        ordered = shell.do(shell.client(gateway.url).wait_many(names))
    assert Counter(run.id for run in runs) == Counter(names)
    assert [run.id for run in ordered] == names
    assert seen == set(names)


def test_a_cancel_whose_answer_got_lost_has_worked(shell: Shell) -> None:
    """INV-T9: the first one cancelled it, so the repeated one finds it cancelled, and that is no failure."""
    late = problem(409, "RUN_ENDED")
    cancelled = Reply(content=run_content(status="cancelled"))
    with serving(replies(ACCEPTED, CUT, late, cancelled)) as gateway:
        run = shell.do(shell.client(gateway.url).submit("t", 1))
        assert shell.do(run.cancel()).status == "cancelled"
    assert gateway.asked[-1].method == "GET"


def test_a_cancel_that_came_too_late_is_a_conflict(shell: Shell) -> None:
    """A run that somebody else cancelled before is too late as well: this call did not do it."""
    ended = Reply(content=run_content(status="cancelled"))
    with serving(replies(ACCEPTED, problem(409, "RUN_ENDED"), ended)) as gateway:
        run = shell.do(shell.client(gateway.url).submit("t", 1))
        with pytest.raises(errors.Conflict) as caught:
            shell.do(run.cancel())
    assert caught.value.extra == {"run_status": "cancelled"}


def test_pages_of_runs(shell: Shell) -> None:
    def script(asked: Asked) -> Reply:
        if "cursor=run-1" in asked.path:
            return Reply(content={"runs": [run_content("run-2")], "cursor": ""})
        return Reply(content={"runs": [run_content("run-0"), run_content("run-1")], "cursor": "run-1"})

    with serving(script) as gateway:
        runs = shell.do(shell.client(gateway.url).runs(task="a b", status="failed", dead=True, limit=10))
    assert [run.id for run in runs] == ["run-0", "run-1", "run-2"]
    assert gateway.asked[0].path == "/v1/runs?task=a+b&status=failed&dead=true&limit=10"


def test_what_is_no_json_never_leaves(shell: Shell) -> None:
    with serving(replies(ACCEPTED)) as gateway, pytest.raises(errors.InvalidInput, match="NOT_JSON"):
        shell.do(shell.client(gateway.url).submit("t", object()))
    assert gateway.asked == []


def test_an_answer_that_is_something_else(shell: Shell) -> None:
    with serving(replies(Reply(body=b"[1,2"))) as gateway, pytest.raises(errors.RemoteLinkError):
        shell.do(shell.client(gateway.url).submit("t", 1))


def test_nothing_shows_the_key(shell: Shell) -> None:
    """INV-S38 in small: neither a client, its parts nor a run print the key."""
    with serving(replies(ACCEPTED)) as gateway:
        client = shell.client(gateway.url, "tg_verysecret")
        run = shell.do(client.submit("t", 1))
        texts = [repr(client), repr(client._line.door), repr(run), str(vars(run)), str(vars(client._line))]
    assert not any("verysecret" in text for text in texts)
