"""`taskgate dead`: failed runs that nobody has retried.

Deleting is for good, so it wants to be told what, and `--yes`.
"""

from __future__ import annotations

import click

from taskgate.cli.connection import asking
from taskgate.cli.runs import show_runs
from taskgate.cli.screen import Screen
from taskgate.client import Client

MANY = 100_000


@click.group
def dead() -> None:
    """Dead letters: failed runs that nobody has retried."""


@dead.command
@click.option("--task", default="", help="Only of this task.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, MANY))
@asking
def ls(client: Client, screen: Screen, *, task: str, limit: int) -> None:
    """The newest dead letters.

    \b
    Example:
      taskgate dead ls --task text.keywords
    """
    show_runs(screen, client.dead.all(task=task, limit=limit))


@dead.command
@click.argument("run_ids", nargs=-1)
@click.option("--task", default="", help="All of this task.")
@click.option("--all", "is_all", is_flag=True, help="All there are.")
@asking
def retry(client: Client, screen: Screen, *, run_ids: tuple[str, ...], task: str, is_all: bool) -> int:
    """Do dead letters again: each makes a new run.

    \b
    Example:
      taskgate dead retry --task text.keywords
    """
    _check_chosen(run_ids, task=task, is_all=is_all)
    retried = client.dead.retry(run_ids, task=task)
    new = [f"run {run.id} is new" for run in retried.runs]
    stay = [f"{refusal.id} stays: {refusal.error.get('detail', 'refused')}" for refusal in retried.refused]
    screen.sentences([*new, *stay], retried)
    return 1 if retried.refused else 0


@dead.command
@click.argument("run_ids", nargs=-1)
@click.option("--task", default="", help="All of this task.")
@click.option("--all", "is_all", is_flag=True, help="All there are.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@asking
def purge(client: Client, screen: Screen, *, run_ids: tuple[str, ...], task: str, is_all: bool, yes: bool) -> None:
    """Delete dead letters with their journals, for good.

    \b
    Example:
      taskgate dead purge --task text.keywords --yes
    """
    _check_chosen(run_ids, task=task, is_all=is_all)
    if not yes:
        raise click.UsageError("deleting cannot be undone: say --yes")
    count = client.dead.purge(run_ids, task=task)
    screen.sentences([f"{count} dead letters deleted"], {"purged": count})


def _check_chosen(run_ids: tuple[str, ...], *, task: str, is_all: bool) -> None:
    if sum((bool(run_ids), bool(task), is_all)) != 1:
        raise click.UsageError("say either run ids, --task NAME or --all")
