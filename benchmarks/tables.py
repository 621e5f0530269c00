"""What is printed: Markdown tables, medians with their spread, and goals with a plain verdict."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One line of the goals: what is wanted, what was measured; `is_met` None when there was nothing to judge."""

    title: str
    wanted: str
    measured: str
    is_met: bool | None

    @property
    def verdict(self) -> str:
        return "not measured" if self.is_met is None else "met" if self.is_met else "MISSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The outcome of one benchmark. `notes` are reasons and caveats; `samples` is what `--json` keeps; `parts` are
    further tables, printed below it, whose goals are told here too."""

    title: str
    heads: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = ()
    goals: Sequence[Goal] = ()
    samples: Any = None
    is_whole: bool = field(default=True)
    parts: Sequence[Section] = ()


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float]) -> str:
    """(max - min) / median, as a percentage; empty for a single value."""
    middle = median(values)
    return f"{(max(values) - min(values)) / middle * 100:.0f} %" if len(values) > 1 and middle else ""


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all are not above (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that reads well as text too; every column but the first is right-aligned."""
    widths = [max(len(cell) for cell in column) for column in zip(heads, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cells[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)),
        ]
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join([":" + "-" * (widths[0] + 1), *("-" * (width + 1) + ":" for width in widths[1:])]) + "|"
    return "\n".join([line(heads), rule, *map(line, rows)])


def goal_table(goals: Sequence[Goal]) -> str:
    rows = [[goal.title, goal.wanted, goal.measured, goal.verdict] for goal in goals]
    return markdown(["goal", "wanted", "measured", "verdict"], rows)


def text_of(section: Section) -> str:
    """The section as it is printed, without its goals."""
    parts = [f"## {section.title}"]
    if section.rows:
        parts.append(markdown(section.heads, section.rows))
    parts += [f"- {note}" for note in section.notes]
    parts += [f"\n{text_of(part)}" for part in section.parts]
    return "\n".join(parts)
