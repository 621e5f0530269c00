"""`taskgate worker`: takes runs from a gateway and does them.

Beside a gateway's data directory, and where this machine has joined, it finds address and key by itself; everywhere
else it is told.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from taskgate.cli.connection import pair
from taskgate.client import find_door
from taskgate.client.door import DATA_DIR, DEFAULT_URL
from taskgate.errors import Unauthenticated

if TYPE_CHECKING:
    from taskgate.worker import WorkerSettings

JOINED = "worker.json"  # what `taskgate workers join` writes
NO_TOKEN = "no worker key: --token-file FILE, TASKGATE_API_KEY, or start it beside a gateway's data directory"  # noqa: S105


def worker_options(function: Any) -> Any:
    """Adds everything that a worker is told; `doctor` takes the same."""
    for option in (
        click.option("--config", "file", type=click.Path(dir_okay=False), help="A worker file (JSON)."),
        click.option("--state-dir", type=click.Path(file_okay=False), help="Where unsent results wait."),
        click.option(
            "--label", "labels", multiple=True, metavar="NAME=VALUE", help="What this worker has; repeatable."
        ),
        click.option("--ca", "ca_file", metavar="FILE", help="Authorities (PEM) to trust instead of the system's."),
        click.option("--cert", "cert_file", metavar="FILE", help="This worker's own certificate (PEM)."),
        click.option("--key", "key_file", metavar="FILE", help="The private key of that certificate (PEM)."),
        click.option("--grpc", "grpc_target", metavar="HOST:PORT", help="The gateway's gRPC door."),
        click.option("--transport", type=click.Choice(["websocket", "grpc"]), help="[websocket]"),
        click.option("--tasks", metavar="MODULE,…", help="Modules with tasks, or module:function."),
        click.option("--slots", type=click.IntRange(1), help="How many runs at a time [one per processor]."),
        click.option("--name", help="The worker's id, the same at every start."),
        click.option(
            "--token-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="File with the worker key.",
        ),
        click.option("--token", help="The worker key. Others can read a command line: prefer --token-file."),
        click.option("--gateway", metavar="URL", help="[TASKGATE_URL, else a gateway on this machine]"),
    ):
        function = option(function)
    return function


@click.command
@worker_options
@click.option("--log-level", default="info", type=click.Choice(["debug", "info", "warning", "error"]))
@click.option("--log-format", default="text", type=click.Choice(["text", "json"]))
def worker(*, log_level: Any, log_format: Any, **options: Any) -> int:
    """A worker: takes runs from a gateway and does them, until Ctrl-C or SIGTERM.

    \b
    Example:
      taskgate worker --tasks tasks
      taskgate worker --gateway https://gate.example --token-file worker.key --tasks shop.tasks --slots 4

    The first Ctrl-C lets running work finish, the second leaves at once; the gateway gives its work to others.
    """
    settings = worker_settings(log_level=log_level, log_format=log_format, **options)
    from taskgate.worker import run_worker

    code: int = run_worker(settings)
    return code


def worker_settings(
    *, file: str | None, token_file: Path | None, labels: tuple[str, ...], **flags: Any
) -> WorkerSettings:
    """The worker's settings; what nobody said comes from a gateway on this machine."""
    from taskgate.worker import read_settings

    joined = Path(flags.get("state_dir") or DATA_DIR) / JOINED
    if file is None and token_file is None and not flags.get("token") and not os.environ.get("TASKGATE_API_KEY"):
        file = str(joined) if joined.is_file() else None
    if token_file is not None:
        flags["token"] = token_file.read_text(encoding="utf-8").strip()
    flags["labels"] = dict(pair(label) for label in labels) or None
    settings = read_settings(flags, file)
    if settings.token or settings.cert_file:
        return settings
    is_named = flags.get("gateway") or os.environ.get("TASKGATE_URL") or settings.gateway != DEFAULT_URL
    named = settings.gateway.replace("ws", "http", 1) if settings.gateway.startswith("ws") else settings.gateway
    door = find_door(named if is_named else None, key_file="worker.key")
    if not door.api_key:
        raise Unauthenticated(NO_TOKEN)
    target = settings.grpc_target or door.grpc
    return dataclasses.replace(settings, gateway=door.url, token=door.api_key, grpc_target=target)
