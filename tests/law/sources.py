"""The files that the law is about, read once: every Python file of the package and of its tests.

Generated protobuf modules are left out: they are built, never edited, and answer to protoc alone.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GENERATED = re.compile(r"_pb2(_grpc)?\.py$")

AnyFunction = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One Python file: where it stands (relative to the repository), its text and its tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """`wire` for src/taskgate/wire/link.py, `errors` for src/taskgate/errors.py."""
        return Path(self.path).with_suffix("").parts[2]

    @property
    def module(self) -> str:
        """The dotted name, for files below src."""
        parts = Path(self.path).with_suffix("").parts[1:]
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def functions(self) -> Iterator[AnyFunction]:
        """Every function of the file, nested ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, AnyFunction))

    def classes(self) -> Iterator[ast.ClassDef]:
        """Every class of the file, nested ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef))


@cache
def read(folder: str) -> tuple[Source, ...]:
    """The Python files below `folder`, sorted by path."""
    return tuple(
        Source(path=path.relative_to(ROOT).as_posix(), text=text, tree=ast.parse(text))
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not GENERATED.search(path.name)
        for text in [path.read_text(encoding="utf-8")]
    )


def parse(path: str, text: str) -> Source:
    """A source made of text, to show that a check can fail."""
    return Source(path=path, text=text, tree=ast.parse(text))
