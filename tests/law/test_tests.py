"""Laws about tests: nobody waits on time, nothing that looks like a test is left uncollected.

Attack rows of the threat table live in tests/security, one file per row (`s12_smuggling.py`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.law.sources import AnyFunction, Source, parse, read

LONGEST_SLEEP_S = 0.5
ATTACK_ROW = re.compile(r"s\d\d_\w+\.py")


def long_sleeps(source: Source) -> Iterator[int]:
    """Lines that sleep longer than a poll interval; the body of a `@task` is somebody's work and may."""
    in_tasks = {id(call) for function in source.functions() if is_task(function) for call in ast.walk(function)}
    for call in ast.walk(source.tree):
        match call:
            case ast.Call(
                func=ast.Name(id="sleep") | ast.Attribute(attr="sleep"), args=[ast.Constant(value=value), *_]
            ):
                if isinstance(value, int | float) and value > LONGEST_SLEEP_S and id(call) not in in_tasks:
                    yield call.lineno


def is_task(function: AnyFunction) -> bool:
    """Whether a function carries `@task` or `@task(...)`."""
    named = [item.func if isinstance(item, ast.Call) else item for item in function.decorator_list]
    return any(isinstance(item, ast.Name) and item.id == "task" for item in named)


def has_tests(source: Source) -> bool:
    """Whether the file defines something that pytest would collect."""
    top = [*source.tree.body, *(node for cls in source.classes() if cls.name.startswith("Test") for node in cls.body)]
    return any(isinstance(node, AnyFunction) and node.name.startswith("test") for node in top)


def test_nobody_waits_on_time() -> None:
    """Wait on an event, or poll with a deadline."""
    found = {source.path: lines for source in read("tests") if (lines := list(long_sleeps(source)))}
    assert found == {}


def test_every_test_is_collected(pytestconfig: pytest.Config) -> None:
    patterns = pytestconfig.getini("python_files")
    lost = [
        source.path
        for source in read("tests")
        if has_tests(source) and not any(fnmatch(Path(source.path).name, pattern) for pattern in patterns)
    ]
    assert lost == []
    assert any(fnmatch("s12_smuggling.py", pattern) for pattern in patterns)


def test_attacks_are_named_by_their_row() -> None:
    files = [source for source in read("tests") if source.path.startswith("tests/security/") and has_tests(source)]
    assert [source.path for source in files if not ATTACK_ROW.fullmatch(Path(source.path).name)] == []


def test_no_test_is_hidden_by_its_twin() -> None:
    """Two tests of one name in one scope: Python keeps the last, pytest never sees the first."""
    assert [twin for source in read("tests") for twin in twins(source)] == []


def twins(source: Source) -> Iterator[str]:
    """Names of tests that are defined twice in the same scope."""
    scopes: list[ast.Module | ast.ClassDef] = [source.tree, *source.classes()]
    for scope in scopes:
        names = [node.name for node in scope.body if isinstance(node, AnyFunction) and node.name.startswith("test")]
        yield from (f"{source.path}:{name}" for name in sorted(set(names)) if names.count(name) > 1)


def test_each_rule_can_be_broken() -> None:
    slow = "import time\ntime.sleep(2)\nsleep(0.1)\n@task(name='x')\ndef f():\n    time.sleep(60)\n"
    assert list(long_sleeps(parse("tests/a.py", slow))) == [2]
    assert has_tests(parse("tests/a.py", "class TestA:\n    async def test_x(self): ..."))
    assert not has_tests(parse("tests/a.py", "def wait(): ..."))
    assert list(twins(parse("tests/a.py", "def test_x(): ...\ndef test_x(): ...\n"))) == ["tests/a.py:test_x"]
