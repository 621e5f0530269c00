"""SQL from its files.

A bulk statement is one round trip for however many rows, prepared once per connection because its text never changes.
It takes one array per column, `unnest($1::text[], …) AS v(id, …)`; those that every run goes through take one array of
rows, `unnest($1::run_to_add[]) AS v`, whose type stands in the schema: half the work for driver and server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

_PACKAGE = files(__package__)


@cache
def sql(name: str) -> str:
    """The text of `sql/<name>.sql` on one line, with other files put in where it says `{their_name}`."""
    text = (_PACKAGE / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    text = " ".join(" ".join(line.split("--")[0] for line in text.splitlines()).split())
    return re.sub(r"\{(\w+)\}", lambda part: sql(part[1]), text)


def columns(rows: Sequence[tuple[Any, ...]]) -> Iterable[tuple[Any, ...]]:
    """The arrays that a bulk statement takes, from its rows (at least one)."""
    return zip(*rows, strict=True)


def rounds(names: Sequence[str]) -> list[list[int]]:
    """Places of the names in rounds that hold every name once, each sorted by name: a statement changes a row only
    once, what comes later must see what came earlier, and whoever locks rows locks them in the same order."""
    seen: dict[str, int] = {}
    found: list[list[int]] = []
    for place, name in enumerate(names):
        turn = seen.get(name, 0)
        seen[name] = turn + 1
        if turn == len(found):
            found.append([])
        found[turn].append(place)
    for part in found:
        part.sort(key=names.__getitem__)
    return found
