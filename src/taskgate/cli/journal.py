"""A journal on the screen: entries as lines, progress as one bar that moves.

What a task wrote is data: it is shown, and cannot drive the terminal.
"""

from __future__ import annotations

import sys
from typing import Any, Self

import click
import msgspec

from taskgate.cli.screen import plain
from taskgate.client import Entry

LEVELS = {"warning": "yellow", "error": "red", "critical": "red"}


class JournalPrinter:
    """Prints entries as they come. With `as_json`, one JSON object a line."""

    def __init__(self, *, as_json: bool, to_stderr: bool) -> None:
        self._as_json = as_json
        self._to_stderr = to_stderr
        self._bar: Any = None
        self._bar_task: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, entry: Entry) -> None:
        """One entry."""
        if self._as_json:
            self._line(msgspec.json.encode(entry).decode())
        elif entry.kind == "progress" and entry.fraction is not None and sys.stderr.isatty():
            self._progress(entry.fraction, plain(entry.text))
        else:
            self._line(line_of(entry))

    def _line(self, line: str) -> None:
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(line, err=self._to_stderr)

    def _progress(self, fraction: float, text: str) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

            columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn())
            self._bar = Progress(*columns, console=Console(stderr=True, markup=False), transient=True)
            self._bar_task = self._bar.add_task("", total=1.0)
            self._bar.start()
        self._bar.update(self._bar_task, completed=fraction, description=text)


def line_of(entry: Entry) -> str:
    """One entry as one line for people."""
    number = click.style(f"{entry.seq:>4}", dim=True)
    text = plain(entry.text)
    if entry.kind == "progress":
        percent = "" if entry.fraction is None else f"{entry.fraction:4.0%} "
        return f"{number} {click.style(percent + text, fg='cyan')}"
    if entry.kind in ("state", "result"):
        status = str(entry.fields.get("status", ""))
        return f"{number} {click.style(plain(text or status), bold=entry.kind == 'result', fg='blue')}"
    return f"{number} {click.style(text, fg=LEVELS.get(entry.level))}"
