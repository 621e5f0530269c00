"""The command line in this process against a scripted gateway on a real socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner

from taskgate.cli.root import root


@dataclass(frozen=True)
class Said:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The error of a command with --json."""
        return json.loads(self.err)["error"]


Run = Callable[..., Said]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Run:
    """Runs `taskgate ARGUMENTS` in an empty folder, without the environment's own settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("TASKGATE_URL", "TASKGATE_API_KEY", "TASKGATE_DATA_DIR", "APP_CONFIG", "TASKGATE_DEBUG"):
        monkeypatch.delenv(name, raising=False)

    def perform(*arguments: str, url: str = "", stdin: str | None = None) -> Said:
        env = {"TASKGATE_URL": url, "TASKGATE_API_KEY": "tg_verysecret"} if url else {}
        result = CliRunner(env=env).invoke(root, list(arguments), input=stdin, prog_name="taskgate")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        assert "verysecret" not in result.output
        return Said(result.exit_code, result.stdout, result.stderr)

    return perform
