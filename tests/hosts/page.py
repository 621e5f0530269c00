"""What a page of the documentation tells its reader to write and to type, for tests that do as it says.

A file is a fenced block whose first line names it (`# gateway.toml`); a command is a line that begins with `$`, and
goes on behind a backslash. A block or a command that is looked for and not there is an error, so page and test
cannot part.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Page:
    """One Markdown page."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._blocks = FENCE.findall(path.read_text(encoding="utf-8"))

    def file(self, name: str) -> str:
        """The text of the block that begins with `# name`."""
        found = [text for _, text in self._blocks if text.split("\n", 1)[0] == f"# {name}"]
        assert len(found) == 1, f"{self._path.name} has {len(found)} blocks that begin with '# {name}'"
        return str(found[0])

    def commands(self, beginning: str) -> list[list[str]]:
        """The words of every command that begins like this, in the order of the page; at least one."""
        lines = [
            line
            for kind, text in self._blocks
            if kind == "console"
            for line in text.replace("\\\n", " ").splitlines()
            if line.startswith(f"$ {beginning}")
        ]
        assert lines, f"{self._path.name} has no command that begins with {beginning!r}"
        return [shlex.split(line)[1:] for line in lines]

    def statements(self) -> str:
        """Its SQL."""
        return "\n".join(text for kind, text in self._blocks if kind == "sql")
