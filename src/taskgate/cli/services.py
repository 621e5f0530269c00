"""`taskgate services`: HTTP services behind the gateway.

`register` is for an application that cannot be changed; one that can takes the two lines of `taskgate.service`.
"""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Any

import click

from taskgate.cli.announcing import announced
from taskgate.cli.connection import PATIENCE, asking, door_options, each, explained, json_option
from taskgate.cli.screen import Screen
from taskgate.client import Client, Door, find_door
from taskgate.client.shapes import RegistrationState


@click.group
def services() -> None:
    """HTTP services behind the gateway: register, list, remove."""


@services.command
@asking
def ls(client: Client, screen: Screen) -> None:
    """Every service that this key may see, and how its upstreams do.

    \b
    Example:
      taskgate services ls
    """
    screen.rows(
        client.services.all(),
        {
            "service": lambda service: service.name,
            "status": lambda service: service.status,
            "address": lambda service: service.base_url,
            "prefix": lambda service: service.prefix,
            "routes": lambda service: len(service.routes),
            "lease": lambda service: f"{service.lease_s:g} s" if service.lease_s else "until removed",
            "breaker": lambda service: service.health.state,
            "document": lambda service: "stale" if service.stale else "",
            "registered": lambda service: service.registered_at,
        },
    )


@services.command
@click.option("--openapi", required=True, metavar="URL|FILE|MODULE:APP", help="Where its document is.")
@click.option("--base-url", required=True, metavar="URL", help="Where the gateway reaches it.")
@click.option("--name", default="", help="What it is called [its document's title].")
@click.option("--prefix", default="", metavar="/PATH", help="Stands before every public path.")
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML, YAML or JSON: what a call may do, and (`expose`) which routes are public under which path.",
)
@click.option(
    "--lease", "lease_s", type=click.FloatRange(0), help="Seconds it stays without renewal; 0 = for good [0]."
)
@click.option("--keep", is_flag=True, help="Stay here and renew; withdraw it on Ctrl-C.")
@json_option
@door_options
def register(
    *, url: str | None, data_dir: str | None, as_json: bool, keep: bool, lease_s: float | None, **options: Any
) -> None:
    """Register a service that cannot do it by itself. It stays until it is removed.

    \b
    Example:
      taskgate services register --openapi http://10.0.0.5:9000/openapi.json --base-url http://10.0.0.5:9000
      taskgate services register --openapi shop.yaml --base-url http://127.0.0.1:9000 --prefix /v1/shop --keep
    """
    if keep and lease_s == 0:
        raise click.UsageError("--keep renews a lease: it needs none of 0 seconds")
    screen = Screen(as_json=as_json)
    body = announced(lease_s=lease_s if lease_s is not None or keep else 0.0, **options)
    door = find_door(url, data_dir=data_dir)
    with Client(door.url, door.api_key or None, patience=PATIENCE) as client, explained(door):
        with screen.busy("asking the gateway"):
            found = client.services.register(body)
        _tell(screen, found, is_kept=keep)
    if keep:
        _keep(door, body, screen=screen)


@services.command
@click.argument("names", nargs=-1, required=True)
@asking
def remove(client: Client, screen: Screen, *, names: tuple[str, ...]) -> int:
    """Take services and their routes back. Calls that are on their way go on.

    \b
    Example:
      taskgate services remove shop
    """
    return each(names, client.services.withdraw, screen=screen, said="is removed")


def _tell(screen: Screen, found: RegistrationState, *, is_kept: bool) -> None:
    for warning in () if is_kept else found.warnings:  # who keeps it hears them from the renewals' log
        screen.note(f"warning: {warning}")
    stays = f"for {found.lease_s:g} s without renewal" if found.lease_s else "until it is removed"
    count = f"{len(found.routes)} route{'s' * (len(found.routes) != 1)}"
    fate = "renewed until Ctrl-C" if is_kept else f"it stays {stays}"
    screen.sentences([*found.routes, f"{found.service} is registered with {count}; {fate}"], found)


def _keep(door: Door, body: dict[str, Any], *, screen: Screen) -> None:
    """Renew until Ctrl-C or SIGTERM, then withdraw."""
    from taskgate.service.registering import registered

    signal.signal(signal.SIGTERM, _interrupt)
    told = dict(body)
    name, base_url = told.pop("name"), told.pop("base_url")
    with registered(
        name=name, base_url=base_url, gateway_url=door.url, api_key=str(door.api_key), prefix="", members=told
    ) as kept:
        try:
            signal.pause()
        except KeyboardInterrupt:
            screen.note(f"withdrawing {name}" + (f" (its last trouble: {kept.problem})" if kept.problem else ""))


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt
