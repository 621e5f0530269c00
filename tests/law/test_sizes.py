"""Sizes that keep a file readable in one sitting: 350 lines, 40 a function, 7 public methods a class.

The ratchet lists what is over today; it may only shrink, and an entry that is no longer needed fails too.
A docstring counts for the file, not for the function: prose is not what makes a function long.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.law.sources import AnyFunction, Source, parse, read

FILE_LINES = 350
FUNCTION_LINES = 40
PUBLIC_METHODS = 7
POSITIONAL_PARAMETERS = 2

RATCHET: dict[str, int] = {}  # "path" or "path:name" -> the size it has today

# What calls these is not ours, so their shape is not ours either: ASGI, and pytest's parametrised suites.
FOREIGN_SHAPES = (("scope", "receive", "send"),)


def oversize(source: Source) -> Iterator[tuple[str, int]]:
    """Everything in the file that is over a limit, with its size."""
    lines = source.text.count("\n")
    if lines > FILE_LINES:
        yield source.path, lines
    for function in source.functions():
        if (size := length(function)) > FUNCTION_LINES:
            yield f"{source.path}:{function.name}", size
    for cls in source.classes():
        if (count := len(public_methods(cls))) > PUBLIC_METHODS:
            yield f"{source.path}:{cls.name}", count


def length(function: AnyFunction) -> int:
    """Lines from `def` to the end, without the docstring."""
    first, last = function.lineno, function.end_lineno or function.lineno
    size = last - first + 1
    opening = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        size -= (opening.end_lineno or opening.lineno) - opening.lineno + 1
    return size


def public_methods(cls: ast.ClassDef) -> set[str]:
    """Names that a user of the class may call; properties are values, `test_` methods belong to pytest."""
    return {
        node.name
        for node in cls.body
        if isinstance(node, AnyFunction)
        and not node.name.startswith(("_", "test_"))
        and not {decorator_name(item) for item in node.decorator_list} & FOREIGN_DECORATORS
    }


FOREIGN_DECORATORS = {
    "property",
    "cached_property",
    "setter",
    "rule",
    "invariant",
    "initialize",
    "precondition",
    "fixture",
}


def decorator_name(node: ast.expr) -> str:
    """`rule` for @rule, @rule(...) and @stateful.rule(...)."""
    if isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def crowded(source: Source) -> Iterator[str]:
    """Public functions that take more than two parameters by position."""
    for function in source.functions():
        names = [arg.arg for arg in function.args.posonlyargs + function.args.args if arg.arg not in ("self", "cls")]
        if function.name.startswith(("_", "test_")) or tuple(names) in FOREIGN_SHAPES:
            continue
        if len(names) > POSITIONAL_PARAMETERS:
            yield f"{source.path}:{function.name}({', '.join(names)})"


@pytest.mark.parametrize("folder", ["src", "tests"])
def test_sizes(folder: str) -> None:
    found = {name: size for source in read(folder) for name, size in oversize(source) if size > RATCHET.get(name, 0)}
    assert found == {}


def test_ratchet_only_shrinks() -> None:
    """An entry that is larger than the thing it names has done its work: shrink it or take it out."""
    today = {name: size for folder in ("src", "tests") for source in read(folder) for name, size in oversize(source)}
    assert {name: size for name, size in RATCHET.items() if today.get(name) != size} == {}


def test_parameters_beyond_the_second_are_named() -> None:
    assert [name for source in read("src") for name in crowded(source)] == []


def test_each_limit_can_be_broken() -> None:
    body = "    x = 1\n" * FUNCTION_LINES
    long_function = f"def f():\n{body}"
    wordy = 'def f():\n    """' + "word\n" * 60 + '    """\n    return 1\n'
    methods = "".join(f"    def m{n}(self): ...\n" for n in range(PUBLIC_METHODS + 1))
    assert [size for _, size in oversize(parse("a.py", "x = 1\n" * 351))] == [351]
    assert [size for _, size in oversize(parse("a.py", long_function))] == [41]
    assert list(oversize(parse("a.py", wordy))) == []
    assert [size for _, size in oversize(parse("a.py", f"class A:\n{methods}"))] == [8]
    assert list(crowded(parse("a.py", "def f(a, b, c): ..."))) == ["a.py:f(a, b, c)"]
    assert list(crowded(parse("a.py", "class A:\n    def f(self, a, b, *, c): ..."))) == []
