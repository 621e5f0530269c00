"""Commits are counted from outside: neither pages nor readers nor older rounds of the log count."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from benchmarks.wal import commit_counts, committed_between


def opened(file: Path) -> sqlite3.Connection:
    link = sqlite3.connect(file, isolation_level=None)
    link.execute("pragma journal_mode = wal")
    link.execute("pragma wal_autocheckpoint = 0")
    return link


def test_a_transaction_of_many_pages_is_one_commit(tmp_path: Path) -> None:
    link = opened(tmp_path / "a.db")
    link.execute("create table t (x)")
    before = commit_counts(tmp_path)
    link.execute("begin")
    for _ in range(50):
        link.execute("insert into t values (zeroblob(5000))")
    link.execute("commit")
    link.execute("insert into t values (1)")
    assert committed_between(before, commit_counts(tmp_path)) == 2
    link.execute("select count(*) from t").fetchall()
    assert committed_between(commit_counts(tmp_path), commit_counts(tmp_path)) == 0
    link.close()


def test_a_log_that_began_anew_counts_from_its_beginning(tmp_path: Path) -> None:
    link = opened(tmp_path / "a.db")
    link.execute("create table t (x)")
    for _ in range(9):
        link.execute("insert into t values (1)")
    before = commit_counts(tmp_path)
    link.execute("pragma wal_checkpoint(restart)").fetchall()
    link.execute("insert into t values (1)")
    link.execute("insert into t values (1)")
    assert committed_between(before, commit_counts(tmp_path)) == 2
    link.close()


def test_every_log_below_the_folder_counts(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    links = [opened(tmp_path / "a.db"), opened(tmp_path / "deeper" / "b.db")]
    for link in links:
        link.execute("create table t (x)")
    assert committed_between({}, commit_counts(tmp_path)) == 2
    for link in links:
        link.close()
