"""A server that is missing is a skip by name on a developer's machine and a failure in CI; nothing else may skip it."""

from __future__ import annotations

import re

import pytest

from tests.law.sources import ROOT, read
from tests.servers.finding import missing

SERVER_ROOMS = ("tests/servers/", "tests/stores/", "tests/flows/redis/", "tests/flows/gateways/", "tests/system/")
MACHINE = {"tests/stores/test_sqlite_full_disk.py", "tests/system/test_f17_postgres_disk.py"}  # what only root may do
MACHINE |= {"tests/system/worker/test_bad_tasks.py"}  # control groups
MACHINE |= {"tests/system/test_f33_version_skew.py"}  # a copy of the sources without their history
ENDS = {
    "tests/servers/finding.py",
    "tests/system/proxy/servers.py",
}  # the places that judge: fail in CI, skip elsewhere


def test_a_missing_server_is_named_and_skipped_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="mariadbd is not installed"):
        missing("mariadbd")


def test_a_missing_server_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="mariadbd is not installed"):
        missing("mariadbd")


def test_ci_says_that_it_is_ci() -> None:
    assert "export CI=true" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_nobody_else_skips_for_want_of_a_server() -> None:
    skips = re.compile(r"pytest\.skip\(|importorskip|mark\.skip")
    found = {s.path for s in read("tests") if s.path.startswith(SERVER_ROOMS) and skips.search(s.text)}
    assert found - MACHINE - ENDS == set()
    assert all('os.environ.get("CI")' in s.text for s in read("tests") if s.path in ENDS)
