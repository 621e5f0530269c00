"""The steps of the tour that go through the gateway to the math service, over plain HTTP as any program would.

Each makes real calls and fails when an answer is not as it should be.
"""

from __future__ import annotations

from typing import Any

from taskgate.cli.tour.stage import Answered, Stage, expect

PREFIX = "/v1/ai/math"
SHOWN = ("server-timing", "ratelimit", "via", "x-request-id")


def registered(stage: Stage) -> None:
    """A service announced itself with two lines."""
    stage.call("GET /gateway/routes: what the math service has registered")
    routes = [route for route in stage.client.routes.all() if route.service == "math"]
    for route in routes:
        stage.answer(f"{route.method} {route.gateway_path} → {route.upstream_path}  {route.summary}")
    expect(len(routes) == 4, f"four routes were expected, there are {len(routes)}")


def added(stage: Stage) -> None:
    """A call goes straight through."""
    stage.call(f'POST {PREFIX}/add {{"a": 6, "b": 7}}: proxied to the service')
    told = stage.http("POST", f"{PREFIX}/add", content={"a": 6, "b": 7})
    _show(stage, told)
    for name in SHOWN:
        if name in told.headers:
            stage.answer(f"{name}: {told.headers[name]}")
    expect((told.status, told.content) == (200, {"result": 13.0}), "another answer")
    expect({"server-timing", "ratelimit", "x-request-id"} <= told.headers.keys(), "headers are missing")


def queued(stage: Stage) -> None:
    """The service queues runs for what takes long."""
    for name, content, output in (
        ("multiply", {"a": 6, "b": 7}, 42.0),
        ("power", {"base": 2, "exp": 10}, 1024.0),
    ):
        stage.call(f"POST {PREFIX}/{name} {content}: answered with 202, then followed to its end")
        told = _accepted(stage, name, content)
        run = stage.client.run(told["task_id"]).wait(30)
        stage.answer(f"run {run.id} {run.status}: {run.output()}")
        expect(run.output() == output, "another output")


def progressed(stage: Stage) -> None:
    """And tells how far they are."""
    stage.call(f'POST {PREFIX}/background_task {{"entity": "orders"}}, followed live')
    told = _accepted(stage, "background_task", {"entity": "orders"})
    seen = []
    for entry in stage.client.run(told["task_id"]).follow():
        if entry.kind == "progress" and entry.fraction is not None:
            seen.append(entry.fraction)
            stage.answer(f"{'█' * round(entry.fraction * 20):<20} {entry.text}")
    expect(seen == sorted(seen) and len(seen) == 10, f"ten steps were expected, in order: {seen}")


def refused(stage: Stage) -> None:
    """What the service refuses passes through untouched."""
    stage.call(f'POST {PREFIX}/power {{"base": 10, "exp": 400}}: more than a number holds')
    told = stage.http("POST", f"{PREFIX}/power", content={"base": 10, "exp": 400})
    _show(stage, told)
    source = told.headers.get("gateway-error-source", "")
    stage.answer(f"gateway-error-source: {source}")
    expect((told.status, source) == (422, "upstream"), "the service should have refused it")


def documented(stage: Stage) -> None:
    """One document for all."""
    stage.call("GET /openapi.json: the gateway, its tasks and the service in one document")
    document = stage.http("GET", "/openapi.json").content or {}
    paths: dict[str, Any] = document.get("paths", {})
    stage.answer(f"OpenAPI {document.get('openapi')}, {len(paths)} paths, e.g. POST {PREFIX}/add")
    expect("post" in paths.get(f"{PREFIX}/add", {}), "the service is not in it")
    expect("/v1/tasks/math.multiply/runs" in paths, "its tasks are not in it")


def _accepted(stage: Stage, name: str, content: dict[str, Any]) -> dict[str, Any]:
    told = stage.http("POST", f"{PREFIX}/{name}", content=content)
    _show(stage, told)
    expect(told.status == 202 and isinstance(told.content, dict), "it was not accepted")
    return dict(told.content)


def _show(stage: Stage, told: Answered) -> None:
    stage.answer(f"{told.status} {told.content}")
