"""`taskgate db`: the schema of a database server, looked at and upgraded around a rolling deploy.

The embedded store needs none of this: it upgrades itself when its only process starts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from taskgate.cli.connection import json_option
from taskgate.cli.screen import Screen
from taskgate.cli.settings import settings_from
from taskgate.errors import InvalidInput

if TYPE_CHECKING:
    from taskgate.stores.postgres.examining import Examination

F = TypeVar("F", bound=Callable[..., Any])
SKEW_S = 1.0


@click.group
def db() -> None:
    """The database server: check its schema, upgrade it."""


def database_option(function: F) -> F:
    """Adds `--config` and `--json`."""
    option = click.option("--config", "file", type=click.Path(), help="A TOML or YAML file of settings.")
    return option(json_option(function))


@db.command
@click.option("--before", "kind", flag_value="before", help="Only what is safe while older gateways run.")
@click.option("--after", "kind", flag_value="after", help="Only what may come once none of them runs any more.")
@database_option
def upgrade(*, file: str | None, kind: Any, as_json: bool) -> None:
    """Bring the schema to this version. Without a flag everything: for when no gateway runs.

    \b
    Example, a rolling deploy:
      taskgate db upgrade --before        then replace the gateways, one by one
      taskgate db upgrade --after         once the last old one has ended
    """
    screen = Screen(as_json=as_json)
    url = _url(file)
    from taskgate.stores.postgres.examining import raise_schema

    with screen.busy("upgrading"):
        steps = asyncio.run(raise_schema(url, kind))
    said = [f"applied {step}" for step in steps] or ["nothing to do"]
    screen.sentences(said, {"applied": [str(step) for step in steps]})


@db.command
@database_option
def check(*, file: str | None, as_json: bool) -> int:
    """What is applied, what pends, can it be written, is its clock ours? Ends with 1 where no gateway should start.

    \b
    Example:
      DATABASE_URL=postgresql://taskgate@db/taskgate taskgate db check
    """
    screen = Screen(as_json=as_json)
    url = _url(file)
    from taskgate.stores.postgres.examining import examine

    with screen.busy("asking the database"):
        found = asyncio.run(examine(url))
    told = _told(found)
    screen.thing(told, told)
    for ailment in found.ailments:
        screen.warn(ailment)
    if abs(found.skew_s) > SKEW_S:
        screen.warn(
            f"the clocks are {found.skew_s:+.1f} s apart: leases go by the database's, all else by the gateway's"
        )
    return 1 if found.ailments else 0


def _told(found: Examination) -> dict[str, Any]:
    schema = found.schema
    return {
        "server": f"PostgreSQL {found.version}",
        "state": "empty: the first gateway makes the tables" if schema.is_empty else "in use",
        "applied": [str(step) for step in schema.applied],
        "pending_before": [] if schema.is_empty else [str(step) for step in schema.pending_of("before")],
        "pending_after": [] if schema.is_empty else [str(step) for step in schema.pending_of("after")],
        "unknown": [str(step) for step in schema.unknown],
        "writable": not found.is_read_only,
        "durable": found.is_durable,
        "connection_limit": found.connection_limit,
        "clock_skew_s": round(found.skew_s, 3),
        "ailments": found.ailments,
    }


def _url(file: str | None) -> str:
    url = settings_from(file).database_url
    if not url.startswith("postgresql:"):
        raise InvalidInput(
            "the database is embedded and looks after itself; `taskgate db` is for a server (DATABASE_URL)",
            code="NO_DATABASE_SERVER",
            extra={"path": "database.url"},
        )
    return url
