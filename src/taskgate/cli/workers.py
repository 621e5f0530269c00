"""`taskgate workers`: who is connected.

Draining lets a worker finish what it has; nothing here can stop a run.
"""

from __future__ import annotations

import click

from taskgate.cli.connection import asking, each
from taskgate.cli.screen import Screen, duration
from taskgate.client import Client


@click.group
def workers() -> None:
    """Who is connected; drain one."""


@workers.command
@asking
def ls(client: Client, screen: Screen) -> None:
    """Every worker, over whatever transport.

    \b
    Example:
      taskgate workers ls
    """
    screen.rows(
        client.workers.all(),
        {
            "worker": lambda worker: worker.id,
            "status": lambda worker: worker.status,
            "transport": lambda worker: worker.transport,
            "running": lambda worker: f"{worker.running}/{worker.slots}",
            "heartbeat": lambda worker: duration(worker.last_heartbeat_at),
            "tasks": lambda worker: worker.tasks,
            "labels": lambda worker: worker.labels,
        },
    )


@workers.command
@click.argument("worker_ids", nargs=-1, required=True)
@asking
def drain(client: Client, screen: Screen, *, worker_ids: tuple[str, ...]) -> int:
    """Let workers finish what they have and give them nothing new.

    \b
    Example:
      taskgate workers drain gpu-box-1
    """
    return each(worker_ids, client.workers.drain, screen=screen, said="takes nothing new")
