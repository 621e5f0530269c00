"""What every command that talks to a gateway shares: where it is, and `--json`.

A key never is an option, since others can read a command line; it comes from the environment or from a file.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from taskgate.cli.screen import Screen
from taskgate.client import Client, Door, Patience, find_door
from taskgate.errors import NotNow, TaskgateError, Unauthenticated

F = TypeVar("F", bound=Callable[..., Any])
PATIENCE = Patience(total_s=8.0)  # somebody is sitting there
NO_KEY = "no API key: set TASKGATE_API_KEY, or run this where `taskgate up` or `serve` was started (--data-dir)"


def json_option(function: F) -> F:
    """Adds `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document, for machines.")(function)


def door_options(function: F) -> F:
    """Adds `--url` and `--data-dir`. A key is never an option: others can read a command line."""
    function = click.option(
        "--data-dir", type=click.Path(file_okay=False), help="Data directory of a gateway on this machine."
    )(function)
    return click.option("--url", help="The gateway's URL (default: TASKGATE_URL, else one on this machine).")(function)


def asking(function: Callable[..., Any]) -> Callable[..., Any]:
    """A command that is called with a client and a screen, under the bar that shows when it takes long."""

    @functools.wraps(function)
    def command(*, url: str | None, data_dir: str | None, as_json: bool, **options: Any) -> Any:
        screen = Screen(as_json=as_json)
        door = find_door(url, data_dir=data_dir)
        client = Client(door.url, door.api_key or None, patience=PATIENCE)
        with client, explained(door), screen.busy("asking the gateway"):
            return function(client, screen, **options)

    return json_option(door_options(command))


@contextmanager
def explained(door: Door) -> Iterator[None]:
    """Adds to an error what the person at the keyboard can do about it."""
    try:
        yield
    except Unauthenticated as error:
        if door.api_key:
            raise
        raise Unauthenticated(NO_KEY, code=error.code) from error
    except NotNow as error:
        if error.code == "UNREACHABLE" and not door.api_key:
            error.detail += "; is a gateway running? TASKGATE_URL says where, `taskgate up` starts one"
        raise


def each(names: tuple[str, ...], verb: Callable[[str], Any], *, screen: Screen, said: str) -> int:
    """Do the verb for every name; one line (`said`, with `{result}`) or one JSON verdict each; the exit code."""
    verdicts: list[dict[str, Any]] = []
    sentences: list[str] = []
    for name in names:
        try:
            result = verb(name)
        except TaskgateError as error:
            verdicts.append({"id": name, "ok": False, "error": {"code": error.code, "detail": error.detail}})
            sentences.append(f"{name}: {error.detail or error.code}")
        else:
            verdicts.append({"id": name, "ok": True, "result": result})
            sentences.append(f"{name} {said.format(result=result)}")
    screen.sentences(sentences, verdicts)
    return 0 if all(verdict["ok"] for verdict in verdicts) else 1


def pair(label: str) -> tuple[str, str]:
    """`NAME=VALUE` of an option as a pair; anything else is wrong usage."""
    name, equals, value = label.partition("=")
    if not name or not equals:
        raise click.UsageError(f"--label {label!r} is not NAME=VALUE")
    return name, value
