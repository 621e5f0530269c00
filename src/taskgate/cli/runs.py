"""`taskgate runs`: look at runs, cancel them, do them again.

Several runs at once get a verdict each; the exit code is 1 when one of them was refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from taskgate.cli.connection import PATIENCE, asking, door_options, each, explained, json_option
from taskgate.cli.fetching import Fetch
from taskgate.cli.journal import JournalPrinter
from taskgate.cli.reading import Reading
from taskgate.cli.screen import Screen, duration
from taskgate.client import Client, Run, find_door
from taskgate.client.shapes import ENDED

STATUSES = ["queued", "scheduled", "running", *sorted(ENDED)]


@click.group
def runs() -> None:
    """Look at runs, cancel them, do them again."""


@runs.command
@click.option("--task", default="", help="Only runs of this task.")
@click.option("--status", default="", type=click.Choice(["", *STATUSES]), help="Only runs in this state.")
@click.option("--label", default="", metavar="NAME=VALUE", help="Only runs with this label.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100_000))
@asking
def ls(client: Client, screen: Screen, **wanted: Any) -> None:
    """The newest runs.

    \b
    Example:
      taskgate runs ls --status failed --limit 5
    """
    show_runs(screen, list(client.runs(**wanted)))


@runs.command
@click.argument("run_id")
@asking
def show(client: Client, screen: Screen, *, run_id: str) -> None:
    """One run, whole: input, output, every attempt; and why it is waiting, if it is.

    \b
    Example:
      taskgate runs show 01890a5d-ac96-7cc5-9e4b-2f0c8b1d7a11
    """
    run = client.run(run_id)
    state = run.state
    waiting = [] if run.is_ended else [f"{reason.text} ({reason.code})" for reason in run.why().reasons]
    members = {
        "id": state.id,
        "task": f"{state.task}@{state.version}" if state.version else state.task,
        "status": state.status,
        "waiting for": "; ".join(waiting),
        "labels": state.labels,
        "tenant": {name: value for name, value in state.tenant.items() if value},
        "created": state.created_at,
        "took": duration(state.started_at, state.ended_at),
        "retry of": state.retry_of,
        "input": bytes(state.input).decode(),
        "output": bytes(state.output).decode() if state.status == "succeeded" else "",
        "error": f"{state.error.message} ({state.error.code})" if state.error else "",
    }
    screen.thing(state, members)
    if state.attempts and not screen.as_json:
        screen.rows(
            state.attempts,
            {
                "attempt": lambda attempt: attempt.number,
                "target": lambda attempt: attempt.target,
                "holder": lambda attempt: attempt.holder,
                "took": lambda attempt: duration(attempt.started_at, attempt.ended_at),
                "outcome": lambda attempt: attempt.outcome or "running",
                "error": lambda attempt: attempt.error.message if attempt.error else "",
                "moved on because": lambda attempt: attempt.moved_on_because,
            },
        )


@runs.command
@click.argument("run_id")
@click.option("--follow", "-f", is_flag=True, help="Go on until the run ends, or the log is sealed.")
@click.option("--after", default=0, type=click.IntRange(0), help="Only entries behind this number.")
@click.option("--stream", help="Instead of the journal: this uploaded log, byte by byte.")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="Into this file; goes on where it stops."
)
@click.option("--attempt", default=0, type=click.IntRange(0), help="The log of this attempt [the latest].")
@door_options
@json_option
def logs(
    *,
    run_id: str,
    follow: bool,
    after: int,
    stream: str | None,
    url: str | None,
    data_dir: str | None,
    as_json: bool,
    **place: Any,
) -> None:
    """A run's journal; with --json one entry a line. With --stream one of its uploaded logs.

    \b
    Example:
      taskgate runs logs --follow 01890a5d-ac96-7cc5-9e4b-2f0c8b1d7a11
      taskgate runs logs 01890a5d-ac96-7cc5-9e4b-2f0c8b1d7a11 --stream build.log --output build.log
    """  # fmt: skip
    if stream is None and (place["output"] or place["attempt"]):
        raise click.UsageError("--output and --attempt belong to --stream")
    door, screen = find_door(url, data_dir=data_dir), Screen(as_json=as_json)
    with explained(door):
        if stream is not None:
            _fetched(
                Fetch(Reading(door), run_id, stream, attempt=place["attempt"]), screen, place["output"], follow=follow
            )
            return
        with Client(door.url, door.api_key, patience=PATIENCE) as client:
            run = client.run(run_id)
            with JournalPrinter(as_json=as_json, to_stderr=False) as printer:
                for entry in run.follow(after=after) if follow else run.journal(after=after):
                    printer.show(entry)


def _fetched(fetch: Fetch, screen: Screen, output: Path | None, *, follow: bool) -> None:
    if output is None:
        fetch.to_stdout(follow=follow)
        return
    found = fetch.into(output, follow=follow, screen=screen)
    whole = "its checksum is right" if found["sealed"] else "it is not sealed yet, so nobody knows its checksum"
    screen.sentences([f"{found['bytes']} bytes in {output}; {whole}"], found)


@runs.command
@click.argument("run_ids", nargs=-1, required=True)
@asking
def cancel(client: Client, screen: Screen, *, run_ids: tuple[str, ...]) -> int:
    """Cancel runs at once and for good.

    \b
    Example:
      taskgate runs cancel 01890a5d-ac96-7cc5-9e4b-2f0c8b1d7a11
    """
    return each(run_ids, lambda run_id: client.run(run_id).cancel().status, screen=screen, said="cancelled")


@runs.command
@click.argument("run_ids", nargs=-1, required=True)
@asking
def retry(client: Client, screen: Screen, *, run_ids: tuple[str, ...]) -> int:
    """Do ended runs again: each makes a new run.

    \b
    Example:
      taskgate runs retry 01890a5d-ac96-7cc5-9e4b-2f0c8b1d7a11
    """
    return each(run_ids, lambda run_id: client.run(run_id).retry().id, screen=screen, said="is done again as {result}")


def show_runs(screen: Screen, found: list[Run]) -> None:
    """A table of runs."""
    screen.rows(
        [run.state for run in found],
        {
            "id": lambda state: state.id,
            "task": lambda state: state.task,
            "status": lambda state: state.status,
            "created": lambda state: state.created_at,
            "took": lambda state: duration(state.started_at, state.ended_at) if state.started_at else "",
            "error": lambda state: state.error.code if state.error else "",
        },
    )
