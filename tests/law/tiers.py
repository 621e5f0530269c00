"""Which third-party packages each install tier brings, read from pyproject.toml.

`base` is a caller or a WebSocket worker, `grpc` a worker over gRPC, `server` a gateway; a server's driver belongs to
the folder of its adapter alone, and that is imported lazily.
A name is a top-level import name; what a library brings along and documents as its own face counts as declared.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata

from tests.law.sources import ROOT, Source

# Libraries whose documentation tells users to import these names from their dependency.
BROUGHT_ALONG = {
    "fastapi": {"starlette", "pydantic"},
    "aiohttp": {"yarl", "multidict"},
    "pyjwt": {"cryptography"},  # its extra `crypto`
}
GRPC_FILE = re.compile(r"grpc|protobuf|_pb2")
ADAPTERS = {
    "src/taskgate/stores/postgres/": "postgres",
    "src/taskgate/stores/mysql/": "mysql",
    "src/taskgate/stores/redis/": "redis",
    "src/taskgate/bridges/streams/": "redis",
    "src/taskgate/otlp.py": "telemetry",
}
BASE_ROOMS = frozenset(
    {
        "__init__", "errors", "status", "clock", "ids", "secret", "events", "bus", "lifespan", "wire", "limits",
        "journal", "reach", "parcels", "worker", "client", "service",
    }
)  # fmt: skip


@cache
def declared(tier: str) -> frozenset[str]:
    """Distribution names that `tier` installs by name, tiers below it included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {distribution(line) for line in project["dependencies"]}
    if tier != "base":
        names |= {distribution(line) for line in project["optional-dependencies"]["grpc"]}
    if tier not in ("base", "grpc"):
        names |= {distribution(line) for line in project["optional-dependencies"]["server"]}
    if tier in ADAPTERS.values():
        names |= {distribution(line) for line in project["optional-dependencies"][tier]}
    return frozenset(names - {"taskgate"})


def distribution(requirement: str) -> str:
    """The normalised project name of a requirement line."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    if found is None:
        raise ValueError(f"not a requirement: {requirement!r}")
    return re.sub(r"[-_.]+", "-", found[0]).lower()


@cache
def importable(tier: str) -> frozenset[str]:
    """Top-level names that files of `tier` may import."""
    names = import_names(declared(tier))
    for library, faces in BROUGHT_ALONG.items():
        if library in declared(tier):
            names |= faces
    return frozenset(names)


@cache
def present(tier: str) -> frozenset[str]:
    """Top-level names that exist on a machine with `tier` installed: dependencies of dependencies too."""
    pending, seen = list(declared(tier)), set[str]()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        requirements = metadata.requires(name) or []
        pending += [distribution(line) for line in requirements if "extra ==" not in line and is_installed(line)]
    return frozenset(import_names(seen))


def is_installed(requirement: str) -> bool:
    """Whether a dependency is there; one for another platform or Python is not."""
    try:
        metadata.distribution(distribution(requirement))
    except metadata.PackageNotFoundError:
        return False
    return True


def import_names(distributions: Iterable[str]) -> set[str]:
    """Top-level names that the distributions put on the path."""
    wanted = set(distributions)
    return {
        top
        for top, owners in metadata.packages_distributions().items()
        if any(distribution(owner) in wanted for owner in owners)
    }


def tier_of(source: Source) -> str:
    """The tier that must be enough to import this file."""
    adapter = next((tier for place, tier in ADAPTERS.items() if source.path.startswith(place)), "")
    if adapter or source.room not in BASE_ROOMS:
        return adapter or "server"
    return "grpc" if GRPC_FILE.search(source.path) else "base"


def imported(tree: ast.AST, *, lazily: bool) -> Iterator[str]:
    """Third-party top-level names imported below `tree`: at import time, or (lazily) anywhere."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names if is_third_party(alias.name))
            case ast.ImportFrom(module=str(module), level=0) if is_third_party(module):
                yield module.partition(".")[0]
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda() if not lazily:
                continue
            case ast.If(test=ast.Name(id="TYPE_CHECKING")) if not lazily:
                yield from (name for part in node.orelse for name in imported(part, lazily=lazily))
            case _:
                yield from imported(node, lazily=lazily)


def is_third_party(module: str) -> bool:
    """Whether a dotted name belongs neither to the standard library nor to us."""
    top = module.partition(".")[0]
    return top not in sys.stdlib_module_names and top not in ("taskgate", "tests")
