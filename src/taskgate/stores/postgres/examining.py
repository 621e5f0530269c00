"""What an operator asks a database, and does to it, without a gateway.

One connection, opened and closed here. Looking changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from taskgate.errors import StoreError
from taskgate.stores.postgres.failures import translated
from taskgate.stores.postgres.migrating import Kind, Schema, Step, read_schema, upgrade
from taskgate.stores.postgres.pool import driver_url, named

CONNECT_S = 10.0
_ABOUT = """
SELECT current_setting('server_version') AS version,
    pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS is_read_only,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('fsync') AS fsync,
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        AS connection_limit,
    extract(epoch FROM clock_timestamp())::float8 AS now
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What was found. `skew_s`: how far the server's clock is ahead of this machine's, the way there halved."""

    version: str
    schema: Schema
    is_read_only: bool
    is_durable: bool
    connection_limit: int
    skew_s: float
    ailments: list[str]


async def examine(url: str) -> Examination:
    """Look, and change nothing. Unavailable or StoreError where there is no such database to look at."""
    async with _connected(url) as connection:
        before = time.time()
        about = await connection.fetchrow(_ABOUT)
        skew_s = about["now"] - (before + time.time()) / 2
        schema = await read_schema(connection)
    is_durable = about["fsync"] == "on" and about["synchronous_commit"] not in ("off", "local")
    return Examination(
        version=about["version"],
        schema=schema,
        is_read_only=about["is_read_only"],
        is_durable=is_durable,
        connection_limit=about["connection_limit"],
        skew_s=skew_s,
        ailments=_ailments(schema, is_read_only=about["is_read_only"], is_flushed=about["fsync"] == "on"),
    )


async def raise_schema(url: str, kind: Kind | None) -> list[Step]:
    """Apply what pends of this kind, or all of it; what was applied."""
    async with _connected(url) as connection:
        return await upgrade(connection, kind)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Any]:
    try:
        connection = await asyncpg.connect(
            driver_url(url), timeout=CONNECT_S, server_settings={"application_name": "taskgate db"}
        )
    except Exception as error:
        raise named(translated(error), url) from error
    try:
        try:
            yield connection
        finally:
            await connection.close(timeout=CONNECT_S)
    except Exception as error:
        raise translated(error) from error


def _ailments(schema: Schema, *, is_read_only: bool, is_flushed: bool) -> list[str]:
    """Why a gateway of this version would not start, or should not."""
    found = []
    if is_read_only:
        found.append("the database is read-only: no gateway can stand on it")
    if not is_flushed:
        found.append("fsync is off: a crash of the server's machine loses what was promised")
    if not schema.is_empty:
        try:
            schema.require()
        except StoreError as error:
            found.append(error.detail)
    return found
