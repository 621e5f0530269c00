"""`taskgate tasks`: what can be done.

What `show` prints is what `apply` takes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from taskgate.cli.connection import asking
from taskgate.cli.files import read_tree
from taskgate.cli.screen import Screen
from taskgate.client import Client


@click.group
def tasks() -> None:
    """What can be done: list, show, declare, remove."""


@tasks.command
@asking
def ls(client: Client, screen: Screen) -> None:
    """Every task that this key may submit.

    \b
    Example:
      taskgate tasks ls
    """
    screen.rows(
        client.tasks.all(),
        {
            "task": lambda task: task.name,
            "version": lambda task: task.version,
            "declared": lambda task: task.declared,
            "targets": lambda task: [target.get("kind", "workers") for target in task.targets] or "workers",
            "description": lambda task: task.description.partition("\n")[0],
        },
    )


@tasks.command
@click.argument("name")
@asking
def show(client: Client, screen: Screen, *, name: str) -> None:
    """One task's definition, as JSON that `tasks apply` takes back.

    \b
    Example:
      taskgate tasks show text.keywords
    """
    screen.document(client.tasks.find(name))


@tasks.command
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@asking
def apply(client: Client, screen: Screen, *, file: Path) -> None:
    """Declare the tasks of a TOML, YAML or JSON file: one definition, or a list under `tasks`.

    \b
    Example:
      taskgate tasks apply tasks.toml
    """
    applied = [client.tasks.apply(definition) for definition in _definitions(file)]
    screen.sentences([f"{task.name} is declared" for task in applied], applied)


@tasks.command
@click.argument("name")
@click.option("--version", default="", help="Only this version.")
@asking
def rm(client: Client, screen: Screen, *, name: str, version: str) -> None:
    """Take a declaration back. Runs that were accepted go on.

    \b
    Example:
      taskgate tasks rm text.keywords
    """
    client.tasks.remove(name, version=version)
    screen.sentences([f"{name} is removed"], {"name": name, "removed": True})


def _definitions(file: Path) -> list[dict[str, Any]]:
    tree = read_tree(file)
    found = tree.get("tasks", [tree]) if isinstance(tree, dict) else tree
    if not isinstance(found, list) or not found or not all(isinstance(one, dict) for one in found):
        raise click.UsageError(f"{file.name} holds no task definition")
    return found
