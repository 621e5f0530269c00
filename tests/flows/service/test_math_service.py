"""The demo math service on a real port: what it adds, what it refuses before anything is queued, what it queues."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import urllib3
import uvicorn

from taskgate.cli.tour.math.service import app
from tests.flows.client.scripted import Asked, Reply, problem, replies, run_content, serving
from tests.flows.service.standin import eventually

Ask = Callable[..., tuple[int, Any]]


@contextmanager
def served() -> Iterator[Ask]:
    """Asks the running service with a JSON text or value."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", loop="asyncio"))
    thread = threading.Thread(target=asyncio.run, args=(server.serve(),))
    thread.start()
    eventually(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]

    def ask(path: str, body: Any, **headers: str) -> tuple[int, Any]:
        text = body if isinstance(body, str) else json.dumps(body)
        answer = urllib3.request(
            "POST",
            f"http://127.0.0.1:{port}{path}",
            body=text.encode(),
            headers={
                "Content-Type": "application/json",
                **{name.replace("_", "-"): told for name, told in headers.items()},
            },
            retries=False,
            timeout=10.0,
        )
        return answer.status, json.loads(answer.data)

    try:
        yield ask
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def alone() -> Iterator[Ask]:
    """The service without a gateway."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GATEWAY_URL", raising=False)
        with served() as ask:
            yield ask


def test_it_adds_by_itself(alone: Ask) -> None:
    assert alone("/api/add", {"a": 6, "b": 7.5}) == (200, {"result": 13.5})


@pytest.mark.parametrize(
    "body",
    [
        '{"a": "1", "b": 2}',
        '{"a": true, "b": 2}',
        '{"a": NaN, "b": 2}',
        '{"a": Infinity, "b": 2}',
        '{"a": null, "b": 2}',
        '{"a": 1}',
        '{"a": 1, "b": 2, "c": 3}',
        '{"a": 1e999, "b": 2}',
        '{"a": 1e308, "b": 1e308}',
        '{"a": 1' + "0" * 400 + ', "b": 1}',
        "[1, 2]",
        "{",
    ],
)
def test_what_is_no_sum_is_refused(alone: Ask, body: str) -> None:
    for path in ("/api/add", "/api/multiply/queue"):
        status, told = alone(path, body)
        assert (status, {"type", "loc", "msg"}) == (422, told["detail"][0].keys())


@pytest.mark.parametrize(
    ("base", "exp"),
    [
        ("2", "1e9"),
        ("2", "1.5"),
        ("2", "100000000"),
        ("10", "308"),
        ("-10", "999"),
        ("1e-300", "-2"),
        ("0", "-1"),
        ("0.0", "-1"),
        ("2", '"3"'),
        ("2", "true"),
    ],
)
def test_a_power_that_nobody_could_compute_is_refused(alone: Ask, base: str, exp: str) -> None:
    assert alone("/api/power/queue", f'{{"base": {base}, "exp": {exp}}}')[0] == 422


@pytest.mark.parametrize("entity", ["", "x" * 201, 7, None])
def test_an_entity_has_a_name(alone: Ask, entity: Any) -> None:
    assert alone("/api/background_task", {"entity": entity})[0] == 422


def test_without_a_gateway_nothing_is_queued(alone: Ask) -> None:
    assert alone("/api/power/queue", {"base": 10, "exp": 307})[0] == 503


def test_what_is_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    def script(asked: Asked) -> Reply:
        if not asked.path.startswith("/v1/tasks/"):
            return problem(404, "NOT_FOUND", detail="not played here")
        return Reply(status=202, content=run_content("run-7", task="math.power"))

    with serving(script) as gateway:
        monkeypatch.setenv("GATEWAY_URL", gateway.url)
        monkeypatch.setenv("TASKGATE_API_KEY", "tg_math")
        with served() as ask:
            status, told = ask("/api/power/queue", {"base": 2, "exp": 10}, Idempotency_Key="one")
    assert (status, told) == (202, {"task_id": "run-7", "status": "queued"})
    asked = next(one for one in gateway.asked if one.path == "/v1/tasks/math.power/runs")
    assert asked.json == {"input": {"base": 2.0, "exp": 10}}
    assert asked.headers["idempotency-key"] == '"one"'


@pytest.mark.parametrize(("refusal", "status"), [(problem(404, "UNKNOWN_TASK"), 503), (problem(403, "FORBIDDEN"), 502)])
def test_a_gateway_that_refuses_is_told(monkeypatch: pytest.MonkeyPatch, refusal: Reply, status: int) -> None:
    with serving(replies(*[refusal] * 9)) as gateway:
        monkeypatch.setenv("GATEWAY_URL", gateway.url)
        with served() as ask:
            assert ask("/api/background_task", {"entity": "a"})[0] == status
