"""The import law of the design: who may see whom, and what each kind of install can import.

The contracts stand in pyproject.toml; here they are run, and the install tiers are tried for real in a
process that cannot see what a lighter install would not have.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.law import tiers
from tests.law.sources import ROOT, Source, parse, read

# Imports the modules named in argv[2:] while every third-party name outside argv[1] is missing.
LIGHT_MACHINE = """
import importlib, importlib.abc, importlib.machinery, sys
present = set(sys.argv[1].split(","))
class Present(importlib.abc.MetaPathFinder):
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in present or top in sys.stdlib_module_names or top == "taskgate":
            return self.finder.find_spec(name, path, target)
        return None
sys.meta_path[:] = [Present(finder) for finder in sys.meta_path if hasattr(finder, "find_spec")]
for module in sys.argv[2:]:
    importlib.import_module(module)
"""


def test_contracts_are_kept() -> None:
    """Layers (exhaustive), strangers, worker, client, service and testing.

    In a process of its own: the linter configures logging for the whole process and silences every other logger.
    """
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def foreign_imports(source: Source) -> set[str]:
    """What a file imports beyond its tier at import time, or beyond every tier at all."""
    if source.room == "testing":
        return set()  # contract suites are run by other people's pytest
    own = tiers.importable(tiers.tier_of(source))
    at_import = set(tiers.imported(source.tree, lazily=False)) - own
    anywhere = set(tiers.imported(source.tree, lazily=True)) - own - tiers.importable("server")
    return at_import | anywhere


def test_each_file_imports_only_what_its_install_has() -> None:
    """A library is declared in the tier that imports it; heavier ones are imported where they are used."""
    found = {source.path: names for source in read("src") if (names := foreign_imports(source))}
    assert found == {}


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("src/taskgate/wire/link.py", "import grpc", {"grpc"}),
        ("src/taskgate/wire/protobuf.py", "import grpc\nfrom google.protobuf import message", set()),
        ("src/taskgate/client/calls.py", "import fastapi.routing", {"fastapi"}),
        ("src/taskgate/client/calls.py", "def f():\n    import fastapi", set()),
        ("src/taskgate/edge/http.py", "import fastapi\nfrom starlette.types import Scope", set()),
        ("src/taskgate/edge/http.py", "def f():\n    import pytest", {"pytest"}),
        ("src/taskgate/stores/mysql/line.py", "import pymysql", set()),
        ("src/taskgate/stores/sqlite/archive.py", "def f():\n    import pymysql", {"pymysql"}),
        (
            "src/taskgate/worker/task.py",
            "class A:\n    try:\n        import yaml\n    except ImportError: ...",
            {"yaml"},
        ),
    ],
)
def test_tiers_see_a_foreign_import(path: str, text: str, expected: set[str]) -> None:
    assert foreign_imports(parse(path, text)) == expected


@pytest.mark.parametrize("tier", ["base", "grpc"])
def test_light_installs_can_import_their_rooms(tier: str) -> None:
    """SDKs, worker, wire and the command line load with the dependencies of their tier alone."""
    sources = [source for source in read("src") if source.room in tiers.BASE_ROOMS and tiers.tier_of(source) == tier]
    modules = [source.module for source in sources if not source.path.endswith("__main__.py")]
    if tier == "base" and (ROOT / "src/taskgate/cli").exists():
        modules.append("taskgate.cli")
    done = run_light(tier, modules)
    assert done.returncode == 0, done.stderr


def test_a_light_machine_really_misses_the_rest() -> None:
    done = run_light("base", ["fastapi"])
    assert done.returncode == 1
    assert "No module named 'fastapi'" in done.stderr


def run_light(tier: str, modules: list[str]) -> subprocess.CompletedProcess[str]:
    """Import `modules` in a fresh process that has only what `tier` installs."""
    command = [sys.executable, "-I", "-c", LIGHT_MACHINE, ",".join(tiers.present(tier)), *modules]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_package_itself_is_light() -> None:
    """`import taskgate` loads no room and no library."""
    code = "import sys, taskgate; print(*(m for m in sys.modules if m.startswith('taskgate.') or m in sys.argv[1:]))"
    command = [sys.executable, "-I", "-c", code, *sorted(tiers.present("server"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == []
