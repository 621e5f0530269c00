"""SQL from its files, and statements over a whole table of values.

A bulk statement begins `WITH v(a, b, …) AS (VALUES …)`: one step of the database for up to `ROWS` rows, because
every step gives up the interpreter lock. It is prepared for 1, 2, 4, … rows; missing rows are filled with NULL,
which its text must ignore (`v.id IS NOT NULL`, or a join that NULL never fits).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from itertools import chain
from typing import Any, TypeVar

import apsw

ROWS = 128
Row = TypeVar("Row")
MIGRATIONS = files(__package__) / "migrations"
_HEAD = re.compile(r"WITH v ?\(([^)]*)\) AS \( ?VALUES … ?\)")


@cache
def sql(name: str) -> str:
    """The text of `sql/<name>.sql` on one line, with other files put in where it says `{their_name}`."""
    text = (files(__package__) / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    text = " ".join(" ".join(line.split("--")[0] for line in text.splitlines()).split())
    return re.sub(r"\{(\w+)\}", lambda part: sql(part[1]), text)


class Bulk:
    """A statement of `sql/<name>.sql` over rows of values."""

    def __init__(self, name: str) -> None:
        text = sql(name)
        head = _HEAD.search(text)
        if head is None:
            raise ValueError(f"{name}.sql does not begin with WITH v(…) AS (VALUES …)")
        self.width = head[1].count(",") + 1
        row = f"({','.join('?' * self.width)})"
        self._texts = {
            size: text.replace("VALUES …", "VALUES " + ",".join([row] * size))
            for size in (1 << power for power in range(ROWS.bit_length()))
        }

    def execute(self, connection: apsw.Connection, rows: Sequence[tuple[Any, ...]], *constants: Any) -> apsw.Cursor:
        """Perform it for at most `ROWS` rows; `constants` are the parameters after the table."""
        count = len(rows)
        size = 1 << (count - 1).bit_length()
        missing = (None,) * (self.width * (size - count))
        return connection.execute(self._texts[size], (*chain.from_iterable(rows), *missing, *constants))

    def text_for(self, size: int) -> str:
        """The statement for 1, 2, 4, … rows."""
        return self._texts[size]


def slices(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """The rows in pieces that one bulk statement takes."""
    for start in range(0, len(rows), ROWS):
        yield rows[start : start + ROWS]


def rounds(rows: Sequence[tuple[Any, ...]]) -> list[list[int]]:
    """Indexes of the rows in rounds that name every run (first column) once: a statement over a table changes a
    row only once, and what comes later must see what came earlier."""
    names = {row[0] for row in rows}
    if len(names) == len(rows):
        return [list(range(len(rows)))]
    seen: dict[Any, int] = {}
    found: list[list[int]] = []
    for index, row in enumerate(rows):
        turn = seen.get(row[0], 0)
        seen[row[0]] = turn + 1
        if turn == len(found):
            found.append([])
        found[turn].append(index)
    return found
