"""Images of `deploy/Dockerfile` and containers of them, without an engine: layers over this machine's own root.

What a Dockerfile says is done: RUN in a root of its own, COPY from the repository or from another stage, ENV, WORKDIR
and USER for what comes after. The images that it begins with are stood in for by this machine, which has a Python too;
nothing of the machine is written, since each layer is an overlay in memory. A container is a further layer, with its
volumes.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.hosts import compose
from tests.system.cluster import ROOT

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SHELL = 'cd "$0" && exec "$@"'
OWN_NETWORK = ("PIP_", "UV_", "SSL_", "HTTP_", "HTTPS_", "NO_", "http", "https", "no_")  # how this machine downloads


class Image:
    """One stage: its layer, and those below it, the nearest first."""

    def __init__(self, name: str, place: Path, below: Sequence[Path] = ()) -> None:
        self.name = name
        self.place = place
        self.layer = place / name / "layer"
        self.layers = [self.layer, *below]
        self.folder = "/"
        self.env: dict[str, str] = {"PATH": PATH}
        for folder in (self.layer, place / name / "work", place / name / "root"):
            folder.mkdir(parents=True)

    @property
    def root(self) -> Path:
        return self.place / self.name / "root"

    def mounting(self) -> list[str]:
        """Shell lines that put the image together at `root`, writable, in whatever view of the files they run in."""
        lower = ":".join([*map(str, self.layers[1:]), "/"])
        options = f"lowerdir={lower},upperdir={self.layer},workdir={self.place / self.name / 'work'}"
        lines = [f"mount -t overlay overlay -o {options} {self.root}"]
        return [*lines, *(f"mount --rbind /{name} {self.root}/{name}" for name in ("proc", "dev"))]

    def words(self, command: Sequence[str], *, env: Mapping[str, str], user: str = "") -> list[str]:
        """The command in the image's root, its folder and its variables, where `mounting` was done."""
        rights = [f"--userspec={user}:{user}"] if user else []
        pairs = [f"{name}={value}" for name, value in {**self.env, **env}.items()]
        return ["chroot", *rights, str(self.root), "env", "-i", *pairs, "sh", "-c", SHELL, self.folder, *command]

    def run(self, line: str) -> None:
        """What RUN does, with this machine's ways of downloading."""
        own = {name: value for name, value in os.environ.items() if name.startswith(OWN_NETWORK)}
        words = self.words(["sh", "-c", line], env={"UV_SYSTEM_CERTS": "true", **own})
        script = " && ".join([*self.mounting(), f"exec {shlex.join(words)}"])
        done = subprocess.run(["unshare", "--mount", "sh", "-c", script], check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"RUN {line}: {done.stdout[-2000:]}{done.stderr[-2000:]}"

    def copy(self, source: Path, where: str) -> None:
        """What COPY does with one name: a folder's content, or a file into a folder."""
        goal = self.layer / (Path(self.folder) / where).relative_to("/")
        if source.is_dir():
            shutil.copytree(
                source, goal, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            goal.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, goal)


def build(place: Path) -> dict[str, Image]:
    """Every stage of the Dockerfile, instruction by instruction."""
    made: dict[str, Image] = {}
    for name, stage in compose.stages().items():
        parent = made.get(stage.source)
        image = made[name] = Image(name, place, parent.layers if parent else ())
        if parent:
            image.folder, image.env = parent.folder, dict(parent.env)
        for word, rest in stage.steps:
            if word == "RUN":
                image.run(rest)
            elif word == "ENV":
                image.env |= dict(pair.split("=", 1) for pair in shlex.split(rest))
            elif word == "WORKDIR":
                image.folder = rest
                (image.layer / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
            elif word == "COPY":
                _copy(image, rest, made)
    return made


def _copy(image: Image, rest: str, made: Mapping[str, Image]) -> None:
    stage, what, where = compose.copied(rest)
    for name in what:
        image.copy(made[stage].layer / name.lstrip("/") if stage else ROOT / name, where)


def container(image: Image, name: str, volumes: Mapping[str, Path]) -> tuple[Image, list[str]]:
    """A layer of its own over an image, and the shell lines that put it together with its volumes."""
    made = Image(name, image.place, image.layers)
    made.folder, made.env = image.folder, dict(image.env)
    lines = made.mounting()
    for place, volume in volumes.items():
        inside = f"{made.root}{place}"
        lines += [f"mkdir -p {inside}", f"chown --reference={inside} {volume}", f"mount --bind {volume} {inside}"]
    return made, lines
