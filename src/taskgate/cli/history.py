"""`taskgate history`: ended runs of long ago.

`runs` looks at what the ledger still has; these commands look into the archive.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from taskgate.cli.connection import door_options, explained, json_option
from taskgate.cli.reading import Reading, download
from taskgate.cli.runs import show
from taskgate.cli.screen import Screen
from taskgate.client import find_door
from taskgate.client.shapes import ENDED

PAGE = 200
TABLE = ("id", "task", "status", "ended_at", "attempt_count")


@click.group
def history() -> None:
    """Ended runs of long ago: list them, show one, export them."""


def filters(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds what a part of history is asked for by."""
    for option in (
        click.option("--id", "id_", default="", help="How the run's id begins."),
        click.option("--holder", default="", help="Only runs that this worker or service had."),
        click.option("--label", default="", metavar="NAME=VALUE", help="Only runs with this label."),
        click.option("--to", default="", metavar="MOMENT", help="Ended before this moment."),
        click.option("--from", "from_", default="", metavar="MOMENT", help="Not ended before this moment (RFC 3339)."),
        click.option("--status", default="", type=click.Choice(["", *sorted(ENDED)]), help="Only this end."),
        click.option("--task", default="", help="Only runs of this task."),
    ):
        function = option(function)
    return function


@history.command
@filters
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100_000))
@door_options
@json_option
def ls(*, url: str | None, data_dir: str | None, as_json: bool, limit: int, **wanted: str) -> None:
    """The newest ends.

    \b
    Example:
      taskgate history ls --task text.keywords --status failed --from 2026-01-01T00:00:00Z
    """
    door, screen, found = find_door(url, data_dir=data_dir), Screen(as_json=as_json), list[Any]()
    with explained(door), screen.busy("asking the gateway"):
        reading, cursor = Reading(door), ""
        while len(found) < limit:
            asked = {**_query(wanted), "limit": min(PAGE, limit - len(found)), "cursor": cursor}
            page = reading.page("/gateway/history", asked)
            found += page["runs"]
            cursor = page["cursor"]
            if not cursor:
                break
    screen.rows(found, {name.replace("_", " "): lambda run, name=name: run[name] for name in TABLE})


history.add_command(show)


@history.command
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@filters
@door_options
@json_option
def export(*, file: Path, url: str | None, data_dir: str | None, as_json: bool, **wanted: str) -> None:
    """Whole runs into a file, one JSON object a line, newest end first.

    The same command again goes on where it stopped.

    \b
    Example:
      taskgate history export runs.ndjson --from 2026-01-01T00:00:00Z
    """
    door, screen = find_door(url, data_dir=data_dir), Screen(as_json=as_json)
    reading = Reading(door)
    with explained(door):
        count = download(
            file,
            lambda cursor: reading.lines("/gateway/history/export", {**_query(wanted), "cursor": cursor}),
            place_of=lambda line: str(msgspec.json.decode(line)["cursor"]),
            screen=screen,
        )
    screen.sentences([f"{count} runs written to {file}"], {"runs": count, "file": str(file)})


def _query(wanted: dict[str, str]) -> dict[str, str]:
    return {name.rstrip("_"): text for name, text in wanted.items()}
