"""Finding tasks by the names an operator gave."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskgate.errors import InvalidInput
from taskgate.worker.loading import TaskShelf, load


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.py").write_text(text)


def refusal(*names: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        load(names)
    assert caught.value.code == "TASKS_NOT_LOADED"
    assert "\n" not in caught.value.detail
    return caught.value.detail


TWO = "from taskgate import task\n@task\ndef one(): ...\n@task(name='n.two', version='2')\ndef two(x: int): ...\n"


def test_every_marked_function_of_a_module(folder: Path) -> None:
    write(folder, "first", TWO)
    write(folder, "second", "from first import one\n")
    shelf = load(["first", "second"])
    assert [spec.name for spec in shelf.all()] == ["one", "n.two"]
    assert shelf.find("n.two") is shelf.find("n.two", "2")
    assert shelf.find("n.two", "3") is None
    assert shelf.find("nowhere") is None
    assert TaskShelf().all() == []


def test_one_function_of_a_module_need_not_be_marked(folder: Path) -> None:
    write(folder, "plain", "def resize(width: int, height: int = 1) -> int:\n    return width\nNUMBER = 3\n")
    (spec,) = load(["plain:resize"]).all()
    assert (spec.name, spec.function(2)) == ("resize", 2)
    assert refusal("plain") == "module 'plain' holds no function marked @task"
    assert refusal("plain:shrink") == "module 'plain' has no function 'shrink'"
    assert refusal("plain:NUMBER") == "module 'plain' has no function 'NUMBER'"


def test_f21_an_import_error_is_one_clear_line(folder: Path) -> None:
    write(folder, "needy", "import os\nimport absent_library\n")
    write(folder, "broken", "def f(:\n")
    write(folder, "raising", "raise RuntimeError('first line\\nsecond line')\n")
    write(folder, "leaving", "import sys\nsys.exit(3)\n")
    said = refusal("needy")
    assert said.startswith("module 'needy' cannot be imported: ModuleNotFoundError: No module named 'absent_library'")
    assert said.endswith("needy.py, line 2)")
    assert "SyntaxError" in refusal("broken")
    assert "RuntimeError: first line (" in refusal("raising")
    assert "SystemExit: 3" in refusal("leaving")
    assert refusal("nowhere.at_all").startswith("there is no module 'nowhere' in ")


def test_a_bad_declaration_is_told_with_its_place(folder: Path) -> None:
    write(folder, "wrong", "from taskgate import task\n@task(timeout_s=-1)\ndef f(): ...\n")
    assert "ValueError: task 'f': timeout_s is positive" in refusal("wrong")
    assert "wrong.py, line 2)" in refusal("wrong")


@pytest.mark.parametrize("name", ["os:system;x", "..:x", "a.b;import os", "http://x", "", "a-b", "a:b:c", "ünï"])
def test_s6_what_is_not_a_module_name_is_never_imported(name: str) -> None:
    assert "is not a module name" in refusal(name)


def test_the_same_name_twice_is_refused(folder: Path) -> None:
    write(folder, "first", TWO)
    write(folder, "third", "from taskgate import task\n@task(name='one')\ndef other(): ...\n")
    assert refusal("first", "third") == "task 'one' is declared twice: first.one and third.other"
