"""`taskgate version`: what is installed here.

Parts are looked for, not imported: the answer comes at once on any machine.
"""

from __future__ import annotations

import platform
from importlib.util import find_spec

import click

from taskgate import __version__
from taskgate.cli.connection import json_option
from taskgate.cli.screen import Screen

PARTS = {"grpc": ("grpc", "google.protobuf"), "server": ("apsw", "fastapi", "uvicorn")}


@click.command
@json_option
def version(*, as_json: bool) -> None:
    """Which taskgate this is, and which parts of it are installed.

    \b
    Example:
      taskgate version --json
    """
    parts = [part for part, names in PARTS.items() if all(_is_there(name) for name in names)]
    found = {"version": __version__, "python": platform.python_version(), "parts": ["client", "worker", *parts]}
    Screen(as_json=as_json).thing(found, found)


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False
