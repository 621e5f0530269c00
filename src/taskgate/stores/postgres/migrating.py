"""Schema versions for gateways that are replaced one by one.

Every room of tables has a folder `migrations/<room>/` with steps of its own numbering, so that rooms grow apart:
`0001_<what>.before.sql`, `0002_<what>.after.sql`. Rooms never touch each other's tables. To add tables: make a folder,
begin at 0001; a step that was released is never edited.

    before   expands: safe while gateways of the version before still run (new tables, columns with defaults, indexes)
    after    contracts: only once none of them runs any more (drops, constraints that they would break)

Each step is one transaction with its row in `taskgate_migrations`, under an advisory lock: a crash leaves whole
steps, and gateways that start together wait for each other.

A gateway that meets an empty database makes all tables itself. On one that has runs it changes nothing: changing
tables under the others, or by whichever gateway happens to come first, is an operator's decision (`taskgate db
upgrade --before`, replace the gateways, `taskgate db upgrade --after`). It starts when every `before` that it knows
is there, beside unknown `before` steps too (the newer version's, made for it to live with), and never beside an
unknown `after`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Literal

from taskgate import __version__
from taskgate.errors import StoreError

Kind = Literal["before", "after"]
MIGRATIONS = files(__package__) / "migrations"
LOCK = 0x7461736B  # "task"
_NAME = re.compile(r"(\d{4})_(\w+)\.(before|after)\.sql")
_TABLE = """
CREATE TABLE IF NOT EXISTS taskgate_migrations (
    room        text        NOT NULL,
    number      integer     NOT NULL,
    name        text        NOT NULL,
    kind        text        NOT NULL,
    digest      text        NOT NULL,
    version     text        NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (room, number)
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One migration. `text` is empty for one that only the database knows."""

    room: str
    number: int
    name: str
    kind: Kind
    text: str = ""

    def __str__(self) -> str:
        return f"{self.room}/{self.number:04}_{self.name}.{self.kind}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What a database has and what this version would have it have."""

    applied: Sequence[Step]
    pending: Sequence[Step]
    unknown: Sequence[Step]

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever applied."""
        return not self.applied and not self.unknown

    def pending_of(self, kind: Kind) -> list[Step]:
        return [step for step in self.pending if step.kind == kind]

    def require(self) -> None:
        """StoreError unless a gateway of this version may run on it."""
        if newer := [step for step in self.unknown if step.kind == "after"]:
            raise StoreError(
                f"the database was upgraded for a newer taskgate ({newer[-1]}): start that version",
                code="STORE_TOO_NEW",
            )
        if missing := self.pending_of("before"):
            raise StoreError(
                f"the database waits for {len(missing)} migration(s), first {missing[0]}: "
                "run `taskgate db upgrade --before`",
                code="STORE_OUTDATED",
            )


async def read_schema(connection: Any, folder: Traversable = MIGRATIONS) -> Schema:
    """Compare the database with the steps of this version; changes nothing."""
    known = {(step.room, step.number): step for step in steps_of(folder)}
    rows = []
    if await connection.fetchval("SELECT to_regclass('taskgate_migrations') IS NOT NULL"):
        rows = await connection.fetch("SELECT room, number, name, kind FROM taskgate_migrations ORDER BY applied_at")
    found = [Step(room=row["room"], number=row["number"], name=row["name"], kind=row["kind"]) for row in rows]
    places = {(step.room, step.number) for step in found}
    return Schema(
        applied=[step for step in found if (step.room, step.number) in known],
        pending=[step for place, step in known.items() if place not in places],
        unknown=[step for step in found if (step.room, step.number) not in known],
    )


async def prepare(connection: Any, folder: Traversable = MIGRATIONS) -> None:
    """What a gateway does at its start: fill an empty database, and refuse one that is not for this version."""
    schema = await read_schema(connection, folder)
    if schema.is_empty:
        await upgrade(connection, folder=folder, only_empty=True)
        schema = await read_schema(connection, folder)
    elif schema.pending_of("before"):  # perhaps somebody is at it
        async with alone(connection):
            schema = await read_schema(connection, folder)
    schema.require()


async def upgrade(
    connection: Any, kind: Kind | None = None, *, folder: Traversable = MIGRATIONS, only_empty: bool = False
) -> list[Step]:
    """Apply what pends, or only what pends of one kind; returns the steps in order. Waits for others who do so."""
    async with alone(connection):
        await connection.execute(_TABLE)
        schema = await read_schema(connection, folder)
        if only_empty and not schema.is_empty:
            return []
        todo = _chosen(schema, kind)
        for step in todo:
            await _apply(connection, step)
        return todo


@asynccontextmanager
async def alone(connection: Any) -> AsyncIterator[None]:
    """While nobody else changes the schema; waits for whoever does."""
    await connection.execute("SET statement_timeout = 0")
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
    try:
        yield
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)
        await connection.execute("RESET statement_timeout")


def _chosen(schema: Schema, kind: Kind | None) -> list[Step]:
    """What to apply. A step never overtakes an earlier one of its room."""
    todo = [step for step in schema.pending if kind in (None, step.kind)]
    other: Mapping[str, Step] = {step.room: step for step in reversed(schema.pending) if step not in todo}
    for step in todo:
        earlier = other.get(step.room)
        if earlier is not None and earlier.number < step.number:
            raise StoreError(
                f"{step} comes after {earlier}: run `taskgate db upgrade --{earlier.kind}` first",
                code="STORE_MIGRATION",
            )
    return todo


async def _apply(connection: Any, step: Step) -> None:
    digest = hashlib.sha256(step.text.encode()).hexdigest()
    row = (step.room, step.number, step.name, step.kind, digest, __version__)
    async with connection.transaction():
        await connection.execute(step.text)
        await connection.execute(
            "INSERT INTO taskgate_migrations (room, number, name, kind, digest, version) VALUES ($1,$2,$3,$4,$5,$6)",
            *row,
        )


def steps_of(folder: Traversable) -> list[Step]:
    """Every step of every room, in order; a gap or a twin in a room's numbers is a mistake of ours."""
    steps: list[Step] = []
    for room in sorted((entry for entry in folder.iterdir() if entry.is_dir()), key=lambda entry: entry.name):
        found = [
            Step(
                room=room.name,
                number=int(name[1]),
                name=name[2],
                kind="before" if name[3] == "before" else "after",
                text=entry.read_text(encoding="utf-8"),
            )
            for entry in sorted(room.iterdir(), key=lambda entry: entry.name)
            if (name := _NAME.fullmatch(entry.name))
        ]
        if [step.number for step in found] != list(range(1, len(found) + 1)):
            raise StoreError(f"migrations of {room.name} are not numbered 1..n", code="STORE_MIGRATION")
        steps += found
    return steps
