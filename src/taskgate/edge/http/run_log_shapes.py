"""Answers about uploaded logs, as JSON.

Absent is what an answer has no word about.
"""

from __future__ import annotations

from taskgate.edge.http.shapes import Given


class RunLogShape(Given, omit_defaults=True):
    """An uploaded log. `offset` is its size, and where the next piece begins; `sha256` stands for the whole once it is
    sealed; `repeated` is whether all of a piece was there before."""

    stream: str
    attempt: int
    offset: int
    sealed: bool
    sha256: str = ""
    repeated: bool = False


class RunLogsShape(Given):
    """The uploaded logs of a run, by attempt and name."""

    logs: list[RunLogShape]
