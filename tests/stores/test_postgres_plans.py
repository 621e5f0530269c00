"""Statements find their rows by key on a database that has just been made: no plan reads what nobody asked for.

Plans are made once per connection, maybe while the tables are empty, and have to be good when they hold millions.
"""

from __future__ import annotations

import re

import pytest

from taskgate.clock import SystemClock
from taskgate.stores.postgres.pool import Connection
from taskgate.stores.postgres.statements import sql
from taskgate.stores.postgres.store import PostgresStore

BY_ID = (
    "claim",
    "claimed",
    "renew",
    "renewed",
    "apply",
    "apply_and_keep",
    "not_applied",
    "runs_of_ids",
    "glance",
    "delete_runs",
)
SEARCHES = ("standing_in_the_way", "attempts_of_ids", "purgeable", "expired", "due", "queued", "find")


async def plan_of(store: PostgresStore, name: str) -> list[str]:
    text = sql(name)
    width = max(int(number) for number in re.findall(r"\$(\d+)", text))

    async def ask(connection: Connection) -> list[str]:
        await connection.execute(f"PREPARE plan_{name} AS {text}")
        asked = f"EXPLAIN (COSTS OFF) EXECUTE plan_{name}({', '.join(['NULL'] * width)})"
        return [row[0] for row in await connection.fetch(asked)]

    return await store.pool.use(ask, patience_s=30)


@pytest.fixture(params=["fresh", "analysed"])
async def is_analysed(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "analysed")


async def test_plans_go_by_key(postgres_url: str, is_analysed: bool) -> None:
    store = PostgresStore(postgres_url, clock=SystemClock(), patience_s=30)
    await store.start()
    try:
        if is_analysed:
            await store.pool.fetch("ANALYZE")
        plans = {name: await plan_of(store, name) for name in (*BY_ID, *SEARCHES)}
    finally:
        await store.stop()
    assert [name for name, plan in plans.items() if any("Seq Scan" in line for line in plan)] == []
    by_id = {name: [line for line in plans[name] if "runs_pkey" in line] for name in BY_ID}
    assert [name for name, lines in by_id.items() if not lines] == []
    others = re.compile(r"using runs_(?!pkey)")
    assert [name for name in BY_ID if any(others.search(line) for line in plans[name])] == []
    conditions = {name: [line for line in plans[name] if re.search(r"Index Cond: \(id = ", line)] for name in BY_ID}
    assert [name for name, lines in conditions.items() if not lines] == []
