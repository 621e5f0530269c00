"""Finds tasks by the names an operator gave: `package.module` or `package.module:function`.

Runs only in the task process: the process that holds the credential never imports other people's code.
A module that cannot be imported is told in one line that names the place; nothing is half loaded.
"""

from __future__ import annotations

import importlib
import os
import re
import traceback
from collections.abc import Iterable, Iterator
from types import ModuleType

from taskgate.errors import InvalidInput
from taskgate.worker.declaration import TaskSpec, marked, spec_of

_OURS = f"{os.path.dirname(__file__)}{os.sep}"
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*)?", re.ASCII)


class TaskShelf:
    """The tasks of one process, by name and version."""

    def __init__(self, specs: Iterable[TaskSpec] = ()) -> None:
        self._by_key: dict[tuple[str, str], TaskSpec] = {}
        self._by_name: dict[str, TaskSpec] = {}
        for spec in specs:
            self._add(spec)

    def _add(self, spec: TaskSpec) -> None:
        present = self._by_key.setdefault((spec.name, spec.version), spec)
        if present.function is not spec.function:
            places = sorted({_place(present), _place(spec)})
            raise _refused(f"task {spec.name!r} is declared twice: {' and '.join(places)}")
        self._by_name[spec.name] = spec

    def find(self, name: str, version: str = "") -> TaskSpec | None:
        """The task of this name and version; an empty version means any."""
        return self._by_key.get((name, version)) or (None if version else self._by_name.get(name))

    def all(self) -> list[TaskSpec]:
        """Every task, in the order of finding."""
        return list(self._by_key.values())


def load(names: Iterable[str]) -> TaskShelf:
    """Import the named modules and take their tasks. InvalidInput (code TASKS_NOT_LOADED) in one clear line."""
    return TaskShelf(spec for name in names for spec in _tasks_of(name))


def _tasks_of(name: str) -> Iterator[TaskSpec]:
    if _NAME.fullmatch(name) is None:
        raise _refused(f"{name!r} is not a module name such as shop.tasks or shop.tasks:resize")
    module_name, _, function_name = name.partition(":")
    module = _imported(module_name)
    if function_name:
        yield _one(module, function_name)
        return
    found = [spec for value in vars(module).values() if (spec := marked(value)) is not None]
    if not found:
        raise _refused(f"module {module_name!r} holds no function marked @task")
    yield from found


def _one(module: ModuleType, function_name: str) -> TaskSpec:
    function = getattr(module, function_name, None)
    if not callable(function):
        raise _refused(f"module {module.__name__!r} has no function {function_name!r}")
    try:
        return marked(function) or spec_of(function, name=function_name)
    except (TypeError, ValueError) as error:
        raise _refused(f"{module.__name__}:{function_name} cannot be a task: {error}") from error


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module may raise anything, SystemExit too
        if isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}."):
            raise _refused(f"there is no module {error.name!r} in {os.getcwd()} or on the Python path") from error
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        raise _refused(f"module {name!r} cannot be imported: {text}{_where(error)}") from error


def _where(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f" ({error.filename}, line {error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    theirs = [frame for frame in frames if not frame.filename.startswith(_OURS)]
    return f" ({theirs[-1].filename}, line {theirs[-1].lineno})" if theirs else ""


def _place(spec: TaskSpec) -> str:
    return f"{spec.function.__module__}.{spec.function.__qualname__}"


def _refused(detail: str) -> InvalidInput:
    return InvalidInput(detail, code="TASKS_NOT_LOADED")
