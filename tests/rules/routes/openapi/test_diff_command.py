"""`taskgate openapi diff`: exit codes and words."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from taskgate.cli.openapi import openapi
from tests.rules.routes.openapi.writing import document, encoded


def test_exit_codes(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.yaml"
    old.write_bytes(encoded(document({"/a": {"get": {}}})))
    new.write_bytes(b"openapi: 3.1.0\ninfo: {title: t}\npaths: {}\n")
    same = CliRunner().invoke(openapi, ["diff", str(old), str(old)], standalone_mode=False)
    assert same.return_value == 0
    told = CliRunner().invoke(openapi, ["diff", str(old), str(new), "--json"], standalone_mode=False)
    assert told.return_value == 1
    assert json.loads(told.stdout) == [{"place": "GET /a", "what": "is gone", "breaking": True}]
