"""Where values come from: each source turns into (path, value, name to blame) triples, weakest source first.

A source says nothing about types; it only knows which names exist, and refuses one that does not.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taskgate.config.fields import COMPATIBLE, PREFIX, environment_name, nearest
from taskgate.errors import InvalidInput

# variables of this prefix that belong to callers, workers and services, not to the gateway's tree
OTHERS = frozenset({"TASKGATE_URL", "TASKGATE_API_KEY", "TASKGATE_DEBUG"})
OTHERS_PREFIX = ("TASKGATE_WORKER_", "TASKGATE_TEST_")
# names of older systems that are known and without effect here, with what to do instead
UNUSED = {
    "GRPC_MAX_WORKERS": "there is no pool of threads to size",
    "GATEWAY__INTERNAL_API_KEY": "make a key with `taskgate keys create`",
    "GATEWAY__AGENT_URL": "register the agent as a service with `taskgate services register`",
    "GATEWAY__REQUEST_TIMEOUT": "a route's timeouts are in its own policy (timeouts)",
}


@dataclass(frozen=True, slots=True)
class Given:
    """A value somebody gave for `path`; `source` is the name to blame, `is_text` that it came as a text."""

    path: str
    value: Any
    source: str
    is_text: bool = False


def refused(detail: str, path: str) -> InvalidInput:
    """The one error of this room."""
    return InvalidInput(detail, code="SETTINGS_INVALID", extra={"path": path})


def from_compatible(env: Mapping[str, str]) -> Iterator[Given]:
    """Names of the systems that taskgate replaces; an empty value means not set."""
    for name, path in COMPATIBLE.items():
        if env.get(name):
            text = env[name].removesuffix("/s") if name == "RATE_LIMIT_RATE" else env[name]
            yield Given(path, text, name, is_text=True)


def unused(env: Mapping[str, str]) -> dict[str, str]:
    """Names of older systems that are set and have no effect, with what to do instead. Values are not looked at."""
    return {name: hint for name, hint in UNUSED.items() if env.get(name)}


def from_environment(env: Mapping[str, str], paths: Collection[str]) -> Iterator[Given]:
    """`TASKGATE_*` variables."""
    known = {environment_name(path): path for path in paths}
    for name, value in sorted(env.items()):
        if not name.startswith(PREFIX) or name in OTHERS or name.startswith(OTHERS_PREFIX):
            continue
        if name not in known:
            raise _unknown(name, nearest(name, known), "the environment")
        yield Given(known[name], value, name, is_text=True)


def from_file(file: Path, paths: Collection[str]) -> Iterator[Given]:
    """One TOML or YAML file, told apart by its ending."""
    yield from _leaves(_read(file), "", file.name, paths)


def from_flags(flags: Mapping[str, Any], paths: Collection[str]) -> Iterator[Given]:
    """Values of the command line by path; None means not given."""
    for path, value in flags.items():
        if value is None:
            continue
        if path not in paths:
            raise _unknown(path, nearest(path, paths), "the flags")
        yield Given(path, value, f"--{path.rpartition('.')[2].replace('_', '-')}", is_text=isinstance(value, str))


def _unknown(name: str, meant: str, where: str) -> InvalidInput:
    hint = f"; did you mean {meant}?" if meant else ""
    return refused(f"{name} in {where} is no setting{hint}", name)


def _leaves(node: Mapping[str, Any], parent: str, source: str, paths: Collection[str]) -> Iterator[Given]:
    sections = {path.rpartition(".")[0] for path in paths}
    for key, value in node.items():
        path = f"{parent}{key}"
        if path in paths:
            yield Given(path, value, f"{path} in {source}")
        elif path not in sections:
            raise _unknown(path, nearest(path, {*paths, *sections} - {""}), source)
        elif not isinstance(value, dict):
            raise refused(f"{path} in {source} is a section, not a value", path)
        else:
            yield from _leaves(value, f"{path}.", source, paths)


def _read(file: Path) -> Mapping[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".toml":
            return tomllib.loads(text)
        if file.suffix in (".yaml", ".yml"):
            tree = _yaml(text)
        else:
            raise refused(f"{file.name} is neither .toml nor .yaml", str(file))
    except OSError as error:
        raise refused(f"cannot read {file}: {error.strerror}", str(file)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise refused(f"{file.name} is not valid TOML: {error}", str(file)) from error
    if not isinstance(tree, dict):
        raise refused(f"{file.name} must be a mapping of sections", str(file))
    return tree


def _yaml(text: str) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise refused("a YAML file needs the extra: pip install 'taskgate[server]' (TOML works without)", "") from error
    try:
        return yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise refused(f"the YAML file is not valid: {error}", "") from error
