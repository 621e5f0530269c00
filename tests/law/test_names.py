"""Names say what a thing is: words that mean nothing are banned from files, folders and classes.

Every module of the package opens with its story: 2 to 12 lines, up to 60 where a state machine,
a protocol or the error tree is told.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.law.sources import Source, parse, read

BANNED = {
    "util", "utils", "utility", "utilities", "helper", "helpers", "manager", "managers", "common", "misc",
    "base", "core", "impl", "data",
}  # fmt: skip
BANNED_ALONE = {"handler", "handlers"}

STORY_LINES = range(2, 13)
THEORY_LINES = range(2, 61)
# Where theory is told above the table: state machines, protocols, the error tree.
THEORY = {
    "bridges/streams/reading.py", "history/archiver.py", "stores/postgres/batching.py", "stores/postgres/migrating.py",
    "errors.py", "wire/link.py", "runs/lifecycle.py", "runs/dispatcher.py",
    "worker/supervisor.py", "stores/sqlite/writer.py", "limits/breaker.py", "identity/recall.py",
}  # fmt: skip


def words(name: str) -> list[str]:
    """`HTTPHandler` -> http, handler; `ready_queue` -> ready, queue."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


def is_banned(name: str) -> bool:
    """Whether a name carries a word that says nothing."""
    said = words(name)
    return bool(BANNED & set(said)) or (len(said) == 1 and said[0] in BANNED_ALONE)


def banned_names(source: Source) -> Iterator[str]:
    """The banned names in a file's path and among its classes."""
    yield from (part for part in Path(source.path).with_suffix("").parts if is_banned(part))
    yield from (cls.name for cls in source.classes() if is_banned(cls.name))


def story_is_told(source: Source) -> bool:
    """Whether the module docstring has the length that its kind of module needs; a folder's may be one line."""
    story = (ast.get_docstring(source.tree) or "").strip()
    count = len(story.splitlines())
    if Path(source.path).name == "__init__.py":
        return count in range(1, 13)
    place = source.path.removeprefix("src/taskgate/")
    return count in (THEORY_LINES if place in THEORY else STORY_LINES)


@pytest.mark.parametrize("folder", ["src", "tests"])
def test_names_mean_something(folder: str) -> None:
    found = {source.path: names for source in read(folder) if (names := list(banned_names(source)))}
    assert found == {}


def test_modules_open_with_their_story() -> None:
    assert [source.path for source in read("src") if not story_is_told(source)] == []


def test_each_rule_can_be_broken() -> None:
    assert [is_banned(name) for name in ("RunManager", "json_utils", "Handler", "BaseStore", "data")] == [True] * 5
    assert [is_banned(name) for name in ("database", "CloseHandler", "metadata", "scores", "commonly")] == [False] * 5
    assert not story_is_told(parse("src/taskgate/runs/a.py", '"""One line."""'))
    assert not story_is_told(parse("src/taskgate/runs/a.py", "x = 1"))
    assert not story_is_told(parse("src/taskgate/runs/a.py", '"""' + "line\n" * 13 + '"""'))
    assert story_is_told(parse("src/taskgate/runs/lifecycle.py", '"""' + "line\n" * 60 + '"""'))
    assert story_is_told(parse("src/taskgate/runs/a.py", '"""One.\n\nTwo."""'))
