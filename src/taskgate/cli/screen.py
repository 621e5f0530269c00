"""What people and machines see: tables or JSON on standard output, everything else on standard error.

Text that came from outside is data: control characters, which could drive a terminal, are made visible.
A wait of more than a second shows a moving bar on standard error, if that is a terminal.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

BUSY_AFTER_S = 1.0


class Screen:
    """Where one command writes."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def rows(self, rows: Sequence[Any], columns: Mapping[str, Any]) -> None:
        """Many things: their JSON as one list, or a table. `columns` maps a heading to how a row fills it."""
        if self.as_json:
            self.document(rows)
            return
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD if sys.stdout.isatty() else None, pad_edge=False, header_style="bold")
        for heading in columns:
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(*(Text(plain(shown(fill(row)))) for fill in columns.values()))
        _console(sys.stdout).print(table if rows else Text("nothing", style="dim"))

    def thing(self, value: Any, members: Mapping[str, Any]) -> None:
        """One thing: its JSON, or a line for each of `members` that is not empty."""
        if self.as_json:
            self.document(value)
            return
        width = max(map(len, members), default=0)
        for name, member in members.items():
            if member not in (None, "", [], {}):
                click.echo(f"{click.style(name.ljust(width), bold=True)}  {plain(shown(member), keep_lines=True)}")

    def sentences(self, sentences: Sequence[str], value: Any) -> None:
        """What was done: its JSON, or a line for each."""
        if self.as_json:
            self.document(value)
            return
        for sentence in sentences:
            click.echo(plain(sentence))

    def document(self, value: Any) -> None:
        """JSON on standard output, indented for a terminal."""
        encoded = msgspec.json.encode(value, enc_hook=str)
        click.echo(msgspec.json.format(encoded, indent=2 if sys.stdout.isatty() else 0).decode())

    def note(self, text: str) -> None:
        """A word beside the result, for people only."""
        if not self.as_json:
            click.echo(plain(text), err=True)

    def warn(self, text: str) -> None:
        """Something to look at, for people and for whoever reads the error output of a script."""
        click.echo(plain(text), err=True)

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """A moving bar while the block takes longer than a second."""
        if self.as_json or not sys.stderr.isatty():
            yield
            return
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TimeElapsedColumn(),
            console=_console(sys.stderr),
            transient=True,
        )
        bar.add_task(text, total=None)
        timer = threading.Timer(BUSY_AFTER_S, bar.start)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            bar.stop()


def plain(text: str, *, keep_lines: bool = False) -> str:
    """The text with control characters made visible, so that it cannot drive a terminal."""
    kept = "\t\n" if keep_lines else "\t"
    return "".join(char if char.isprintable() or char in kept else _visible(char) for char in text)


def _visible(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def shown(value: Any) -> str:
    """A member as people read it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name}={shown(member)}" for name, member in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(shown(member) for member in value)
    return str(value)


def duration(start: datetime | None, end: datetime | None = None) -> str:
    """How long something took, or has taken until now."""
    if start is None:
        return ""
    seconds = ((end or datetime.now(UTC)) - start).total_seconds()
    if seconds < 60:
        return f"{max(0.0, seconds):.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
    return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"


def _console(file: Any) -> Any:
    from rich.console import Console

    width = None if file.isatty() else 240
    return Console(file=file, width=width, highlight=False, markup=False, emoji=False, soft_wrap=not file.isatty())
