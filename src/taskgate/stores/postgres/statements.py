"""SQL from its files.

A bulk statement takes one array per column and begins `WITH v AS (SELECT * FROM unnest(…) WITH ORDINALITY …)`: one
round trip for however many rows, prepared once per connection because its text never changes.
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
