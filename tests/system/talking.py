"""Tasks of tests with traffic: one that answers, one that talks for a while. They stand alone, so that they can be
given to a worker of an earlier version too."""

from __future__ import annotations

import time
from pathlib import Path

from taskgate import Context, task


@task(name="talk.echo", retries=3)
def echo(value: int) -> int:
    """Give the input back."""
    return value


@task(name="talk.lines", retries=3)
def lines(count: int, pause_s: float, *, context: Context) -> int:
    """Say a line now and then."""
    for number in range(count):
        context.log(f"line {number}")
        time.sleep(pause_s)
    return count


@task(name="talk.flood")
def flood(count: int, size: int, *, note: str, gate: str, context: Context) -> int:
    """Say long lines as fast as they are taken, a quarter of them before the gate file is there; the file `note` says
    how many were."""
    with open(note, "wb", buffering=0) as file:
        for number in range(count):
            while number == count // 4 and not Path(gate).exists():
                time.sleep(0.02)
            context.log(f"{number:08} " + "x" * (size - 9))
            if number % 100 == 0 or number == count // 4 - 1:
                file.seek(0)
                file.write(b"%d" % number)
    return count


@task(name="talk.held")
def held(gate: str) -> str:
    """Hold the run until the gate file is there."""
    while not Path(gate).exists():
        time.sleep(0.02)
    return gate
