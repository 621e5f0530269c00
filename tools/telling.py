"""A pytest plugin: writes what becomes of each test to a file while the tests run, one JSON document a line.

    python -m pytest -p tools.telling --tell FILE

Lines: `{"wanted": n}` once the tests are found, then `{"name", "outcome", "took_s", "is_over"}` for each test, with
`is_over` when nothing more comes of it. A run whose reader is gone stops by itself.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--tell FILE`."""
    parser.addoption("--tell", type=Path, required=True, help="the file that is told what becomes of each test")


def pytest_configure(config: pytest.Config) -> None:
    """Listen from the start."""
    config.pluginmanager.register(Teller(config.getoption("--tell")))


class Teller:
    """Writes each report as it comes."""

    def __init__(self, file: Path) -> None:
        self._out = file.open("a", encoding="utf-8")
        self._reader = os.getppid()

    def say(self, **what: Any) -> None:
        self._out.write(json.dumps(what) + "\n")
        self._out.flush()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.say(wanted=len(session.items))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.say(name=report.nodeid, outcome="failed", took_s=0.0, is_over=False)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        is_over = report.when == "teardown"
        if is_over or report.when == "call" or not report.passed:
            outcome = "ended" if is_over and report.passed else report.outcome
            self.say(name=report.nodeid, outcome=outcome, took_s=report.duration, is_over=is_over)

    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        if os.getppid() != self._reader:
            item.session.shouldstop = "nobody reads what is told"
