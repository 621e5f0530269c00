"""Gathers the evidence of a round: rows of the database, lines of the tasks' ledger."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import asyncpg

from tests.nemesis.checking import Attempt, Row, Step

STATUSES = ("scheduled", "queued", "running", "succeeded", "failed", "cancelled", "timed_out")
ARCHIVED = "SELECT id, status FROM taskgate_archive.archived_runs"
WORDS = ("succeeded", "failed", "timed_out", "cancelled", "worker_lost", "not_started", "refused")
QUIET_S = 90.0

WATCH = """
CREATE TABLE nemesis_rewritten (said text);
CREATE FUNCTION nemesis_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO nemesis_rewritten VALUES (format('%s from %s to %s', OLD.id, OLD.status, NEW.status)); RETURN NEW;
END $$;
CREATE TRIGGER nemesis_watch BEFORE UPDATE ON runs FOR EACH ROW WHEN (OLD.status >= 3 AND (
    OLD.status, OLD.attempt, OLD.ended_at, OLD.output, OLD.error, OLD.result_digest, OLD.outcome
) IS DISTINCT FROM (
    NEW.status, NEW.attempt, NEW.ended_at, NEW.output, NEW.error, NEW.result_digest, NEW.outcome
)) EXECUTE FUNCTION nemesis_note();
"""
RUNS = """
SELECT id, idempotency_key, status, attempt, tries, lost_count, ended_at, output,
    holder, granted_at, attempt_ended_at, outcome FROM runs
"""
ATTEMPTS = "SELECT run_id, number, holder, granted_at, ended_at, outcome FROM attempts ORDER BY run_id, number"
UNARCHIVED = """
SELECT count(*) FROM runs LEFT JOIN taskgate_archive.archived_runs AS kept USING (id)
WHERE runs.status < 3 OR kept.id IS NULL
"""


async def watch(url: str) -> None:
    """From now on changes of ended runs are noted by the database itself."""
    connection = await asyncpg.connect(url)
    await connection.execute(WATCH)
    await connection.close()


async def until_quiet(url: str) -> bool:
    """Wait until every run has ended and is archived; False when that does not come about."""
    connection = await asyncpg.connect(url)
    deadline = time.monotonic() + QUIET_S
    try:
        while await connection.fetchval(UNARCHIVED):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.3)
        return True
    finally:
        await connection.close()


async def rows(url: str) -> tuple[dict[str, Row], list[tuple[str, str]], list[str]]:
    """Runs by id, the archive's (id, status), and what the database noted."""
    connection = await asyncpg.connect(url)
    earlier: dict[str, list[Attempt]] = {}
    for run_id, number, holder, granted_at, ended_at, outcome in await connection.fetch(ATTEMPTS):
        attempt = _attempt(number, holder, granted_at, ended_at=ended_at, outcome=outcome)
        earlier.setdefault(run_id, []).append(attempt)
    found = {}
    for record in await connection.fetch(RUNS):
        attempts = earlier.get(record["id"], [])
        if record["holder"] is not None:
            told = {"ended_at": record["attempt_ended_at"], "outcome": record["outcome"]}
            attempts = [*attempts, _attempt(record["attempt"], record["holder"], record["granted_at"], **told)]
        found[record["id"]] = Row(
            id=record["id"],
            key=record["idempotency_key"],
            status=STATUSES[record["status"]],
            attempt=record["attempt"],
            tries=record["tries"],
            lost_count=record["lost_count"],
            ended_at=record["ended_at"],
            output=None if record["output"] is None else json.loads(record["output"]),
            attempts=tuple(attempts),
        )
    archived = [(row[0], row[1]) for row in await connection.fetch(ARCHIVED)]
    rewritten = [row[0] for row in await connection.fetch("SELECT said FROM nemesis_rewritten")]
    await connection.close()
    return found, archived, rewritten


def _attempt(number: int, holder: str, granted_at: float, *, ended_at: float | None, outcome: int | None) -> Attempt:
    word = "" if outcome is None else WORDS[outcome]
    return Attempt(number=number, holder=holder, granted_at=granted_at, ended_at=ended_at, outcome=word)


def steps(ledger: Path) -> list[Step]:
    """The lines that the tasks wrote."""
    lines = ledger.read_text(encoding="utf-8").splitlines() if ledger.exists() else []
    found = [line.split() for line in lines]
    return [Step(run_id=run, attempt=int(number), word=word, at=float(at)) for run, number, word, at in found]
