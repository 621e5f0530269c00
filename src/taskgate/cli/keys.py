"""`taskgate keys`: API keys.

A key's text is printed once, when it is made, on standard output and nowhere else.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click
import msgspec

from taskgate.cli.connection import asking, each
from taskgate.cli.screen import Screen
from taskgate.client import Client
from taskgate.client.shapes import KeyState


@click.group
def keys() -> None:
    """API keys: create, list, revoke, rotate."""


@keys.command
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, help="What it may do; repeatable.")
@click.option("--kind", default="user", type=click.Choice(["user", "service", "worker", "agent", "tool"]))
@click.option("--site", "site_id", default="default", show_default=True, help="Whose runs it sees.")
@click.option("--user", "user_id", default="", help="Bind it to one user, who then sees only their own runs.")
@click.option("--app", "app_id", default="", help="Recorded with every run.")
@click.option("--prefix", "prefixes", multiple=True, help="Register services only below this path; repeatable.")
@click.option("--worker", "worker_id", default="", help="Bind it to one worker.")
@click.option("--days", type=click.FloatRange(0, min_open=True), help="Days until it expires (default: never).")
@asking
def create(client: Client, screen: Screen, *, name: str, days: float | None, **members: Any) -> None:
    """A new key. Its text is printed once and kept nowhere.

    \b
    Example:
      taskgate keys create nightly-report --scope submit --scope read --days 90
      taskgate keys create shop --kind service --scope register --prefix /v1/shop
    """
    scopes = members.pop("scopes")
    said = {member: list(value) if member == "prefixes" else value for member, value in members.items() if value}
    if days is not None:
        said["expires_at"] = datetime.now(UTC) + timedelta(days=days)
    _show_new(screen, client.keys.create(name, scopes, **said))


@keys.command
@asking
def ls(client: Client, screen: Screen) -> None:
    """Every key, without its text.

    \b
    Example:
      taskgate keys ls
    """
    screen.rows(
        [_without_text(key) for key in client.keys.all()],
        {
            "id": lambda key: key["id"],
            "name": lambda key: key["name"],
            "kind": lambda key: key["kind"],
            "site": lambda key: key["site_id"],
            "user": lambda key: key["user_id"],
            "scopes": lambda key: key["scopes"],
            "ends": lambda key: "…" + key["last4"],
            "created": lambda key: key["created_at"],
            "expires": lambda key: key["expires_at"],
            "revoked": lambda key: key["revoked_at"],
        },
    )


@keys.command
@click.argument("key_ids", nargs=-1, required=True)
@asking
def revoke(client: Client, screen: Screen, *, key_ids: tuple[str, ...]) -> int:
    """End keys at once.

    \b
    Example:
      taskgate keys revoke 3fk2p0aa91xz
    """
    return each(key_ids, client.keys.revoke, screen=screen, said="is revoked")


@keys.command
@click.argument("key_id")
@click.option("--overlap", "overlap_s", default=0.0, type=click.FloatRange(0), help="Seconds the old key still works.")
@asking
def rotate(client: Client, screen: Screen, *, key_id: str, overlap_s: float) -> None:
    """A new key like this one, which ends.

    \b
    Example:
      taskgate keys rotate 3fk2p0aa91xz --overlap 3600
    """
    _show_new(screen, client.keys.rotate(key_id, overlap_s=overlap_s))


def _show_new(screen: Screen, key: KeyState) -> None:
    """The only place that prints a key's text: once, on standard output."""
    if screen.as_json:
        screen.document({**_without_text(key), "key": str(key.key)})
        return
    screen.note(f"key {key.id} ({', '.join(key.scopes)}) of site {key.site_id}; its text is shown only now:")
    click.echo(str(key.key))


def _without_text(key: KeyState) -> dict[str, Any]:
    members = msgspec.structs.asdict(key)
    del members["key"]
    return members
