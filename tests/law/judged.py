"""Which contract runs on which engine, read out of the code: `python -m tests.law.judged` prints the table.

An adapter is a class `<Engine><Port>` below stores/<engine>/. A contract is a class `<Port>Contract`, and runs on an
engine where a test class inherits it and what its fixtures use leads to that engine: to a module of its adapters, or
to a fixture that starts its server. Random histories are followed in the same way, from the tests that play them.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache

from tests.law.sources import AnyFunction, Source, read

ENGINES = ("memory", "sqlite", "postgres", "mysql", "redis")
SERVERS = {
    "postgres_url": "postgres",
    "postgres_tables": "postgres",
    "tests.stores.postgres_ground": "postgres",
    "mariadb_url": "mysql",
    "redis_url": "redis",
    "tests.stores.gateways": "redis",
}
ADAPTER = re.compile(rf"({'|'.join(engine.capitalize() for engine in ENGINES)})([A-Z]\w+)")
HISTORIES = {"History": "RunLedger", "LifeMachine": "RunLedger", "history_of": "RunArchive", "histories": "Journal"}


def ports() -> set[str]:
    """Every protocol that the domain describes; those that stores adapt are its ports."""
    return {
        cls.name
        for source in read("src")
        if not source.path.startswith("src/taskgate/stores/")
        for cls in source.classes()
        if any(isinstance(given, ast.Name) and given.id == "Protocol" for given in cls.bases)
    }


def adapters() -> dict[str, set[str]]:
    """The engines of each port."""
    found = defaultdict[str, set[str]](set)
    known = ports()
    for source in read("src"):
        for cls in source.classes() if source.path.startswith("src/taskgate/stores/") else ():
            named = ADAPTER.fullmatch(cls.name)
            if named and named[2] in known:
                found[named[2]].add(named[1].lower())
    return dict(found)


def judged() -> dict[str, set[str]]:
    """The engines that each port's contract runs on."""
    return _engines_of(_heirs)


def played() -> dict[str, set[str]]:
    """The engines that each kind of random histories is played on."""
    return _engines_of(_players)


def engines_of(source: Source, start: ast.AST) -> set[str]:
    """Where the names below a node lead to: what is no memory where there is any, memory else."""
    imports = dict(_imports(source))
    names = _reached(source, start)
    engines = {engine for name in names if (engine := SERVERS.get(name) or _engine(imports.get(name, "")))}
    return engines - {"memory"} or engines


def _reached(source: Source, start: ast.AST) -> set[str]:
    """The names that a node uses, and those that the functions and fixtures of its file use which it names."""
    here = {node.name: node for node in source.tree.body if isinstance(node, (AnyFunction, ast.ClassDef))}
    own = {node.name: node for node in ast.walk(start) if isinstance(node, AnyFunction)}
    names = set[str]()
    todo: list[ast.AST] = [start, *_inherited(start)]
    while todo:
        new = set(_names(todo.pop())) - names
        names |= new
        todo += [found for name in new if (found := own.get(name) or here.get(name))]
    return names


def _engines_of(marked: Callable[[Source], Iterator[tuple[str, ast.AST]]]) -> dict[str, set[str]]:
    found = defaultdict[str, set[str]](set)
    for source in read("tests/stores"):
        for name, node in marked(source):
            found[name] |= engines_of(source, node)
    return dict(found)


def _heirs(source: Source) -> Iterator[tuple[str, ast.AST]]:
    for cls in source.classes():
        for given in cls.bases:
            if isinstance(given, ast.Name) and given.id.endswith("Contract") and cls.name.startswith("Test"):
                yield given.id.removesuffix("Contract"), cls


def _players(source: Source) -> Iterator[tuple[str, ast.AST]]:
    tests = [node for node in source.tree.body if isinstance(node, AnyFunction) and node.name.startswith("test")]
    machines = [node for node in source.tree.body if isinstance(node, ast.ClassDef)]
    for node in (*tests, *machines):
        reached = _reached(source, node)
        yield from ((name, node) for name in HISTORIES if name in reached)


def _inherited(start: ast.AST) -> list[ast.AST]:
    """The contracts that a class inherits, through all its parents: what their tests ask for are its fixtures."""
    found: list[ast.AST] = []
    todo = [start] if isinstance(start, ast.ClassDef) else []
    while todo:
        bases = {given.id for given in todo.pop().bases if isinstance(given, ast.Name)}
        parents = [cls for cls in _contract_classes() if cls.name in bases]
        todo += parents
        found += parents
    return found


@cache
def _contract_classes() -> tuple[ast.ClassDef, ...]:
    return tuple(cls for source in read("src/taskgate/testing/contracts") for cls in source.classes())


def _names(node: ast.AST) -> Iterator[str]:
    for below in ast.walk(node):
        match below:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(value=ast.Name(id=name)):
                yield name


def _imports(source: Source) -> Iterator[tuple[str, str]]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((alias.asname or alias.name, node.module) for alias in node.names)


def _engine(module: str) -> str:
    found = re.match(r"taskgate\.stores\.(\w+)\.", f"{module}.")
    return found[1] if found and found[1] in ENGINES else SERVERS.get(module, "")


if __name__ == "__main__":
    print(f"{'port':14}" + "".join(f"{engine:>18}" for engine in ENGINES))
    made, held, random = adapters(), judged(), defaultdict[str, set[str]](set)
    for kind, engines in played().items():
        random[HISTORIES[kind]] |= engines
    for port in sorted(made):
        cells = [
            "-" if engine not in made[port]
            else ("contract" if engine in held.get(port, ()) else "NOTHING")
            + (" + random" if engine in random[port] else "")
            for engine in ENGINES
        ]  # fmt: skip
        print(f"{port:14}" + "".join(f"{cell:>18}" for cell in cells))
