"""`taskgate workers`: who is connected, and how a machine becomes one of them.

Draining lets a worker finish what it has; nothing here can stop a run. The key that joining gives is written to a file
that only its owner can read, and is never shown.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
from pathlib import Path
from typing import Any

import click

from taskgate.cli.connection import PATIENCE, asking, each, json_option
from taskgate.cli.screen import Screen, duration
from taskgate.cli.worker import JOINED
from taskgate.client import Client, find_door
from taskgate.errors import StoreError


@click.group
def workers() -> None:
    """Who is connected; drain one; invite one, join."""


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


@workers.command
@click.option("--site", "site_id", default="default", show_default=True, help="Whose runs it will take.")
@click.option("--serve-all", is_flag=True, help="It takes the runs of every site.")
@click.option("--worker", "worker_id", default="", help="Only a worker of this id may join with it.")
@click.option("--minutes", default=60.0, type=click.FloatRange(0, 60, min_open=True), help="How long it is good [60].")
@click.option("--key-days", type=click.FloatRange(0, min_open=True), help="Days until the worker's key ends [never].")
@asking
def invite(client: Client, screen: Screen, *, minutes: float, serve_all: bool, **members: Any) -> None:
    """A join token: works once, for one new worker. Its text is printed once and kept nowhere.

    \b
    Example:
      taskgate workers invite --site acme --worker gpu-box-1
    """
    said = {name: value for name, value in members.items() if value}
    scopes = ["worker", "serve:*"] if serve_all else ["worker"]
    made = client.tokens.invite(life_s=minutes * 60, scopes=scopes, **said)
    if screen.as_json:
        screen.document({"id": made.id, "token": str(made.token), "expires_at": made.expires_at})
        return
    screen.note(f"a join token for site {made.site_id}, good once; its text is shown only now:")
    click.echo(str(made.token))


@workers.command
@click.option("--gateway", "url", metavar="URL", help="[TASKGATE_URL, else a gateway on this machine]")
@click.option("--token", help="The join token. Others can read a command line: without it, it is asked for.")
@click.option("--name", default="", help="The worker's id, the same at every start [made from the host's name].")
@click.option("--state-dir", default=".taskgate", show_default=True, type=click.Path(file_okay=False, path_type=Path))
@json_option
def join(*, url: str | None, token: str | None, name: str, state_dir: Path, as_json: bool) -> None:
    """Make this machine a worker: a join token becomes a key of its own, which `taskgate worker` finds.

    \b
    Example:
      taskgate workers join --gateway https://gate.example
      taskgate worker --tasks shop.tasks
    """
    screen, file = Screen(as_json=as_json), state_dir / JOINED
    text = token or click.prompt("join token", hide_input=True)
    descriptor = _reserved(file)
    try:
        door = find_door(url, text.strip())
        with Client(door.url, door.api_key, patience=PATIENCE) as client:
            key = client.tokens.join(name or _own_name())
        worker_id = key.worker_id
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            json.dump({"gateway": door.url, "name": worker_id, "token": str(key.key)}, opened)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    if as_json:
        screen.document({"worker_id": worker_id, "site_id": key.site_id, "file": str(file)})
        return
    screen.note(f"this machine is the worker {worker_id} of site {key.site_id}; its key is in {file}")


def _reserved(file: Path) -> int:
    """An empty file that only its owner can read, made before the token is used up: a full disk costs no token."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise StoreError(f"{file} is there: this machine has joined; remove it to join again", code="JOINED") from None
    except OSError as error:
        raise StoreError(f"{file} cannot be made: {error.strerror}", code="STATE_UNUSABLE") from error


def _own_name() -> str:
    host = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:64].strip("-.") or "worker"
    return f"{host}-{secrets.token_hex(4)}"
