"""`taskgate tokens`: short-lived credentials.

A token's text is printed once, when it is made, on standard output and nowhere else.
"""

from __future__ import annotations

from typing import Any

import click

from taskgate.cli.connection import asking
from taskgate.cli.screen import Screen
from taskgate.client import Client


@click.group
def tokens() -> None:
    """Short-lived tokens: create, revoke."""


@tokens.command
@click.option("--scope", "scopes", multiple=True, help="What it may do, no more than you [all of that]; repeatable.")
@click.option("--worker", "worker_id", default="", help="Only this worker may use it.")
@click.option("--seconds", "life_s", type=click.FloatRange(0, min_open=True), help="How long it is good [900].")
@asking
def create(client: Client, screen: Screen, *, scopes: tuple[str, ...], **members: Any) -> None:
    """A token made from your own credential. Its text is printed once and kept nowhere.

    \b
    Example:
      taskgate tokens create --scope submit --seconds 300
    """
    said = {name: value for name, value in members.items() if value}
    if scopes:
        said["scopes"] = list(scopes)
    made = client.tokens.create(**said)
    if screen.as_json:
        screen.document({"id": made.id, "token": str(made.token), "scopes": made.scopes, "expires_at": made.expires_at})
        return
    screen.note(f"token {made.id} ({', '.join(made.scopes)}) until {made.expires_at}; its text is shown only now:")
    click.echo(str(made.token))


@tokens.command
@click.argument("token_id", default="")
@click.option("--subject", default="", help="Instead: everything that was issued to this subject until now.")
@asking
def revoke(client: Client, screen: Screen, *, token_id: str, subject: str) -> None:
    """End a token, or all tokens of a subject, at once.

    \b
    Example:
      taskgate tokens revoke 0Xb9JtmT3rYIv0m5cJ1XkA
      taskgate tokens revoke --subject corp:alice
    """
    if bool(token_id) == bool(subject):
        raise click.UsageError("name a token, or --subject")
    client.tokens.revoke(token_id, subject=subject)
    screen.sentences([f"{token_id or subject} is revoked"], [{"id": token_id or subject, "ok": True}])
