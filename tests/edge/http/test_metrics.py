"""`GET /metrics`: who may read it, and that its numbers are those of what happened."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from taskgate.errors import Unavailable
from taskgate.runs.task import QueueKey
from taskgate.telemetry.catalogue import METRICS
from tests.edge.http.house import House

Numbers = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scrape(house: House, key: str) -> Numbers:
    reply = await house.ask("GET", "/metrics", key=key)
    assert reply.status == 200, reply.body
    assert reply.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(reply.body.decode())
        for sample in family.samples
    }


def number(numbers: Numbers, name: str, **labels: str) -> float:
    return numbers[name, frozenset(labels.items())]


async def test_strangers_and_callers_read_no_metrics(house: House) -> None:
    """S32: what runs here and how much is for scrapers and operators."""
    assert (await house.ask("GET", "/metrics")).status == 401
    for scope in ("read", "submit", "worker", "tasks:write"):
        assert (await house.ask("GET", "/metrics", key=await house.key(scope))).status == 403
    for scope in ("metrics", "admin"):
        assert (await house.ask("GET", "/metrics", key=await house.key(scope))).status == 200


async def test_known_queues_are_zero_before_anything_happened(house: House) -> None:
    numbers = await scrape(house, await house.key("metrics"))
    assert number(numbers, "taskgate_queue_depth", task="demo.echo", version="", labels="") == 0
    assert number(numbers, "taskgate_queue_oldest_age_seconds", task="demo.echo", version="", labels="") == 0
    assert number(numbers, "taskgate_runs_open", status="queued") == 0
    assert number(numbers, "taskgate_workers_connected", transport="grpc") == 0
    assert number(numbers, "taskgate_store_away", port="ledger") == 0


async def test_what_happens_is_counted(house: House) -> None:
    key, watcher = await house.key("submit", "read"), await house.key("metrics")
    seat = await house.worker("demo.echo")
    for _ in range(3):
        assert (await house.ask("POST", "/v1/tasks/demo.echo/runs", {"input": {"n": 1}}, key=key)).status == 202
    for _ in range(2):
        await house.finish(await asyncio.wait_for(seat.offers.get(), 5))
    reply = await house.ask("POST", "/v1/tasks/demo.free/runs", {"input": {}}, key=key)
    assert reply.status == 202
    numbers = await scrape(house, watcher)
    assert number(numbers, "taskgate_runs_submitted_total", task="demo.echo") == 3
    assert number(numbers, "taskgate_runs_ended_total", task="demo.echo", status="succeeded") == 2
    assert number(numbers, "taskgate_attempts_ended_total", outcome="succeeded") == 2
    assert number(numbers, "taskgate_leases_total", event="offered") == 3
    assert number(numbers, "taskgate_queue_running", task="demo.echo", version="", labels="") == 1
    assert number(numbers, "taskgate_queue_depth", task="demo.free", version="", labels="") == 1
    assert number(numbers, "taskgate_submit_seconds_count") == 4
    assert number(numbers, "taskgate_store_verb_seconds_count", port="ledger", verb="add") == 4
    assert number(numbers, "taskgate_run_seconds_count") == 2


async def test_a_store_that_is_away_hides_no_other_number(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away() -> list[object]:
        raise Unavailable("the store is away")

    monkeypatch.setattr(house.gateway.watch.standings, "everywhere", away)
    numbers = await scrape(house, await house.key("metrics"))
    assert number(numbers, "taskgate_census_up") == 0
    assert not [name for name, _ in numbers if name == "taskgate_queue_depth"]
    assert number(numbers, "taskgate_build_info", **dict(*[k for n, k in numbers if n == "taskgate_build_info"])) == 1


async def test_inventing_names_makes_no_scrape_large(house: House) -> None:
    """Labels are bounded: tasks and queues beyond the first are one row called other."""
    limit = house.gateway.settings.telemetry.top_tasks
    for count in range(limit + 20):
        house.gateway.watch.metrics._sources.numbers.accepted[
            house.gateway.watch.metrics._sources.numbers._label(f"task-{count}")
        ] += 1
    standings = house.gateway.watch.standings
    for count in range(house.gateway.settings.telemetry.top_queues + 50):
        standings._met["acme", QueueKey(f"task-{count}")] = None
    numbers = await scrape(house, await house.key("metrics"))
    assert len([name for name, _ in numbers if name == "taskgate_runs_submitted_total"]) == limit + 1
    assert number(numbers, "taskgate_runs_submitted_total", task="other") == 20
    rows = [name for name, _ in numbers if name == "taskgate_queue_depth"]
    assert len(rows) == house.gateway.settings.telemetry.top_queues + 1


async def test_a_name_cannot_forge_a_line(house: House) -> None:
    """S29: what callers name is escaped in the exposition."""
    standings = house.gateway.watch.standings
    standings._met["acme", QueueKey('x"} 1\ntaskgate_forged 9\n#')] = None
    numbers = await scrape(house, await house.key("metrics"))
    assert not [name for name, _ in numbers if "forged" in name]
    assert number(numbers, "taskgate_queue_depth", task='x"} 1\ntaskgate_forged 9\n#', version="", labels="") == 0


async def test_openmetrics_where_it_is_accepted(house: House) -> None:
    key = await house.key("metrics")
    reply = await house.ask("GET", "/metrics", key=key, headers=[("Accept", "application/openmetrics-text")])
    assert reply.headers["content-type"].startswith("application/openmetrics-text")
    assert reply.body.endswith(b"# EOF\n")


async def test_every_name_is_in_the_catalogue(house: House) -> None:
    numbers = await scrape(house, await house.key("metrics"))
    told = {name for name, _ in numbers if name.startswith("taskgate_")}
    suffixes = ("_total", "_bucket", "_sum", "_count", "_created", "")
    assert all(any(name.removesuffix(suffix) in METRICS for suffix in suffixes) for name in told)


@pytest.mark.parametrize("version", ["a.b", "", "1e9", "9" * 400, "1.0.0.dev1+x"])
async def test_an_accept_header_that_nobody_understands_is_answered(house: House, version: str) -> None:
    headers = [("Accept", f"application/openmetrics-text;version={version};escaping=x"), ("Accept", "text/plain")]
    for accept in headers:
        assert (await house.ask("GET", "/metrics", key=await house.key("metrics"), headers=[accept])).status == 200
