"""SQL from its files, with named parameters: values are never part of a text.

A text is read once and kept.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files


@cache
def sql(name: str) -> str:
    """The text of `sql/<name>.sql` on one line, with other files put in where it says `{their_name}`."""
    text = (files(__package__) / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    text = " ".join(" ".join(line.split("--")[0] for line in text.splitlines()).split())
    return re.sub(r"\{(\w+)\}", lambda part: sql(part[1]), text)
