"""Files that people hand to commands: TOML, YAML or JSON, told apart by their ending.

A file that cannot be read is wrong usage, never a trace.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import click
import msgspec


def read_tree(file: Path) -> Any:
    """What the file holds."""
    content = file.read_bytes()
    try:
        match file.suffix.lower():
            case ".toml":
                return tomllib.loads(content.decode())
            case ".yaml" | ".yml":
                import yaml

                try:
                    return yaml.safe_load(content)
                except yaml.YAMLError as error:
                    raise click.UsageError(f"{file.name} cannot be read: {error}") from error
            case _:
                return msgspec.json.decode(content)
    except (tomllib.TOMLDecodeError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{file.name} cannot be read: {error}") from error
