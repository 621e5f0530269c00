"""`deploy/compose.yaml` and `deploy/Dockerfile` as their engines read them: variables filled in, lines joined, stages
told apart. What is not understood here is an error, so that nothing in the files goes untested unseen.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.system.cluster import ROOT

DEPLOY = ROOT / "deploy"
VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?:(:[-?])([^}]*))?\}")
FLAG = re.compile(r"--([a-z-]+)=(\S+)\s+")
KNOWN = {"RUN", "COPY", "ENV", "WORKDIR", "USER", "CMD", "HEALTHCHECK", "EXPOSE", "VOLUME", "STOPSIGNAL"}


def variables(text: str) -> set[str]:
    """The variables that a compose file wants from `.env`."""
    return {name for name, _, _ in VARIABLE.findall(text)} - {""}


def filled(text: str, env: Mapping[str, str]) -> str:
    """The text with its variables filled in; ValueError for one that must be set and is not."""

    def value(found: re.Match[str]) -> str:
        name, kind, other = found.groups()
        if name is None:
            return "$"
        if env.get(name):
            return env[name]
        if kind == ":-":
            return str(other)
        raise ValueError(f"{name} is not set: {other}")

    return VARIABLE.sub(value, text)


def services(env: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Every service of the compose file, profiles too."""
    tree = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    found: dict[str, dict[str, Any]] = _filled_in(tree["services"], env)
    return found


def _filled_in(node: Any, env: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _filled_in(value, env) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled_in(item, env) for item in node]
    return filled(node, env) if isinstance(node, str) else node


def example() -> dict[str, str]:
    """`.env.example` as its reader fills it in."""
    lines = (DEPLOY / ".env.example").read_text(encoding="utf-8").splitlines()
    found = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return {name: value.replace("CHANGE_ME", "5e" * 32) for name, value in found.items()}


@dataclass(slots=True)
class Stage:
    """One stage of a Dockerfile: what it is made from and its instructions, each word and rest."""

    name: str
    source: str
    steps: list[tuple[str, str]] = field(default_factory=list)


def stages() -> dict[str, Stage]:
    """The stages of the Dockerfile, by name."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    made: dict[str, Stage] = {}
    stage = None
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        word, _, rest = line.partition(" ")
        if not word or word.startswith("#"):
            continue
        if word == "FROM":
            source, _, name = rest.partition(" AS ")
            stage = made[name] = Stage(name, source)
        elif stage is None or word not in KNOWN:
            raise ValueError(f"not understood: {line}")
        else:
            stage.steps.append((word, rest.strip()))
    return made


def lineage(name: str) -> list[tuple[str, str]]:
    """All instructions behind an image, those of the stages that it is made from first."""
    known = stages()
    stage = known[name]
    return [*(lineage(stage.source) if stage.source in known else []), *stage.steps]


def said(name: str, word: str) -> str:
    """What an image's last instruction of this kind says."""
    found = [rest for kind, rest in lineage(name) if kind == word]
    return found[-1] if found else ""


def environment(name: str) -> dict[str, str]:
    """The variables that an image sets."""
    pairs = [pair for kind, rest in lineage(name) if kind == "ENV" for pair in shlex.split(rest)]
    return dict(pair.split("=", 1) for pair in pairs)


def health(service: Mapping[str, Any]) -> list[str]:
    """The words of a service's health check, of its image where it has none of its own; empty without one."""
    own = service.get("healthcheck", {})
    if own.get("disable"):
        return []
    test = own.get("test") or [
        "CMD",
        *json.loads(FLAG.sub("", said(target(service), "HEALTHCHECK")).partition("CMD")[2]),
    ]
    return ["sh", "-c", *test[1:]] if test[0] == "CMD-SHELL" else list(test[1:])


def target(service: Mapping[str, Any]) -> str:
    """The stage of the Dockerfile that a service's image is; empty for somebody else's image."""
    image = str(service["image"])
    return image.removeprefix("taskgate-") if image.startswith("taskgate-") else ""


def command(service: Mapping[str, Any]) -> list[str]:
    """What a service of ours runs."""
    return list(service.get("command") or json.loads(said(target(service), "CMD")))


def copied(rest: str) -> tuple[str, list[str], str]:
    """Of a COPY: the stage (or nothing), what, and where to."""
    stage = dict(FLAG.findall(rest)).get("from", "")
    *what, where = FLAG.sub("", rest).split()
    return stage, what, where


def folder(path: str) -> Path:
    """A path of the compose file, beside which it stands."""
    return (DEPLOY / path).resolve()
