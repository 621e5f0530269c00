"""`taskgate serve`: the gateway alone.

Server code is imported only here and in `check`: the other commands run without the extra `server`.
"""

from __future__ import annotations

from typing import Any

import click

from taskgate.cli.settings import settings_from, settings_options


@click.command
@settings_options
@click.option("--workers", type=click.IntRange(1, 64), help="Processes that share the port. Default 1.")
def serve(*, file: str | None, workers: int | None, **flags: Any) -> int:
    """The gateway alone, until Ctrl-C or SIGTERM.

    \b
    Example:
      taskgate serve --port 8080 --config gateway.toml

    The first start writes an admin key and a worker key, readable by you alone, into the data directory.
    """
    settings = settings_from(file, workers=workers, **flags)
    from taskgate.server import run

    return run(settings)
