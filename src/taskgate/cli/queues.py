"""`taskgate queues`: how much waits, for how long, and who could take it.

A queue in which nothing waits is shown with a zero, because a missing line would look like a missing task.
"""

from __future__ import annotations

import click

from taskgate.cli.connection import asking
from taskgate.cli.screen import Screen
from taskgate.client import Client


@click.command
@click.option("--task", default="", help="Queues of this task alone.")
@asking
def queues(client: Client, screen: Screen, *, task: str) -> None:
    """How much waits in every queue.

    \b
    Example:
      taskgate queues
      taskgate queues --task text.keywords --json
    """
    screen.rows(
        client.queues.all(task=task),
        {
            "queue": lambda queue: queue.name,
            "waiting": lambda queue: str(queue.depth),
            "oldest": lambda queue: f"{queue.oldest_age_s:.0f} s" if queue.depth else "",
            "scheduled": lambda queue: str(queue.scheduled),
            "running": lambda queue: str(queue.running),
            "workers": lambda queue: str(queue.workers),
            "free": lambda queue: str(queue.slots_free),
        },
    )
