"""Statements find their rows by key, however fresh or stale the statistics are.

Tables grow a thousandfold between two looks of the server at them; a plan that was good for an empty one is not.
"""

from __future__ import annotations

import re

from taskgate.clock import SystemClock
from taskgate.stores.postgres.pool import Connection
from taskgate.stores.postgres.statements import sql
from taskgate.stores.postgres.store import PostgresStore
from taskgate.testing.clock import ManualClock
from taskgate.testing.stage import RunStage, numbered_id

BY_ID = (
    "claim", "claimed", "renew", "renewed", "apply", "apply_and_keep", "not_applied", "runs_of_ids", "glance",
    "delete_runs",
)  # fmt: skip
SEARCHES = ("standing_in_the_way", "attempts_of_ids", "purgeable", "expired", "due", "queued", "find", "find_of_user")
BY_TIME = ("expired", "due", "queued", "purgeable")  # each by an index that was made for it
ROWS = 2000
IDS = "ARRAY[" + ",".join(f"'{numbered_id(number)}'" for number in range(1, 100)) + "]"
CLAIMS = "ARRAY[" + ",".join(f"('{numbered_id(n)}','t',5,'w','workers')::run_to_claim" for n in range(1, 100)) + "]"


async def plan_of(store: PostgresStore, name: str, arguments: list[str]) -> list[str]:
    """The plan for these arguments; without any the generic one, for a NULL is folded and nothing is left to plan."""
    text = sql(name)
    width = max(int(number) for number in re.findall(r"\$(\d+)", text))
    values = [*arguments, *["NULL"] * (width - len(arguments))]

    async def ask(connection: Connection) -> list[str]:
        await connection.execute(f"PREPARE plan_{name} AS {text}")
        told = f"EXPLAIN (COSTS OFF) EXECUTE plan_{name}({', '.join(values)})"
        async with connection.transaction():
            if not arguments:
                await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            return [row[0] for row in await connection.fetch(told)]

    return await store.pool.use(ask, patience_s=30)


def walks(plan: list[str]) -> bool:
    """Whether it reads the whole table of runs: as it stands, or in the order of its ids."""
    following = [*plan[1:], ""]
    return any(
        "Seq Scan on runs" in line or ("runs_pkey on runs" in line and "Index Cond: (id =" not in after)
        for line, after in zip(plan, following, strict=True)
    )


async def test_no_plan_reads_a_whole_table(postgres_url: str) -> None:
    store = PostgresStore(postgres_url, clock=SystemClock(), patience_s=30)
    await store.start()
    try:
        plans = {name: await plan_of(store, name, []) for name in (*BY_ID, *SEARCHES)}
    finally:
        await store.stop()
    assert [name for name, plan in plans.items() if any("Seq Scan" in line for line in plan)] == []
    assert [name for name in BY_TIME if walks(plans[name])] == []
    assert [name for name, plan in plans.items() if not any("Index" in line for line in plan)] == []


async def test_a_guess_that_was_made_of_an_empty_table_does_no_harm(postgres_url: str) -> None:
    """Analysed while it was empty, then filled: everything that is asked by id is still read by id."""
    store = PostgresStore(postgres_url, clock=SystemClock(), patience_s=30)
    await store.start()
    try:
        await store.pool.fetch("ALTER TABLE runs SET (autovacuum_enabled = false)")
        await store.pool.fetch("ANALYZE")
        stage = RunStage(ledger=store.ledger, book=store.book, clock=ManualClock())
        await store.ledger.add([stage.run() for _ in range(ROWS)], {})
        asked = {"runs_of_ids": [IDS], "glance": [IDS], "claim": ["NULL", CLAIMS], "delete_runs": ["NULL", "NULL", IDS]}
        plans = {name: await plan_of(store, name, arguments) for name, arguments in asked.items()}
    finally:
        await store.stop()
    by_id = {name: [line for line in plan if "Index Cond: (id = " in line] for name, plan in plans.items()}
    assert [name for name, lines in by_id.items() if not lines] == []


async def test_the_check_sees_an_index_that_is_gone(postgres_url: str) -> None:
    """Without the indexes of its searches, each of them reads the whole table, and the plan says so."""
    store = PostgresStore(postgres_url, clock=SystemClock(), patience_s=30)
    await store.start()
    named = (
        "SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'runs'::regclass AND NOT indisprimary"
        " AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)"
    )
    try:
        gone = [row[0] for row in await store.pool.fetch(named)]
        for index in gone:
            await store.pool.fetch(f"DROP INDEX {index}")
        plans = {name: await plan_of(store, name, []) for name in BY_TIME}
    finally:
        await store.stop()
    assert len(gone) >= 4
    assert [name for name, plan in plans.items() if not walks(plan)] == []


async def test_every_session_plans_for_what_it_is_asked(postgres_url: str) -> None:
    """Of both pools: a plan of its own for each statement, by index, whatever the statistics say."""
    store = PostgresStore(postgres_url, clock=SystemClock(), patience_s=30)
    await store.start()
    wanted = {"plan_cache_mode": "force_custom_plan", "synchronous_commit": "on", "enable_seqscan": "off"}
    try:
        for pool in (store.pool, store.floods):
            told = {name: (await pool.fetch(f"SHOW {name}"))[0][0] for name in wanted}
            assert told == wanted
    finally:
        await store.stop()
