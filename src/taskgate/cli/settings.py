"""Options that become settings of a gateway, shared by `serve` and `check`.

A flag that was not given stays unsaid, so that the environment and the file keep their word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from taskgate.config import Settings, load

F = TypeVar("F", bound=Callable[..., Any])

FLAGS = {
    "host": "http.host",
    "port": "http.port",
    "grpc_port": "grpc.port",
    "data_dir": "data_dir",
    "workers": "http.workers",
}
PORT = click.IntRange(0, 65535)


def settings_options(function: F) -> F:
    """Adds `--host --port --grpc-port --data-dir --config`."""
    for option in (
        click.option("--config", "file", type=click.Path(), help="A TOML or YAML file of settings (also APP_CONFIG)."),
        click.option("--data-dir", type=click.Path(file_okay=False), help="Where everything is kept [.taskgate]."),
        click.option("--grpc-port", type=PORT, help="Port for workers over gRPC [50051]."),
        click.option("--port", type=PORT, help="Port for HTTP and WebSocket [30090]."),
        click.option("--host", help="Address to listen on [127.0.0.1]."),
    ):
        function = option(function)
    return function


def settings_from(file: str | None, **flags: Any) -> Settings:
    """The settings that the options, the environment and the file give; `--host` is for both doors."""
    given = {FLAGS[name]: value for name, value in flags.items() if name in FLAGS}
    given["grpc.host"] = flags.get("host")
    return load(given, file)
