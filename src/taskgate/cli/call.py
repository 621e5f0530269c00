"""`taskgate call`: a task from submit to output.

The journal goes to standard error as it comes, the output to standard output last and alone. Leaving (Ctrl-C,
`--wait`) never ends the run.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from taskgate.cli.connection import door_options, explained, json_option, pair
from taskgate.cli.journal import JournalPrinter
from taskgate.cli.screen import Screen, plain
from taskgate.client import AsyncClient, AsyncRun, Patience, find_door
from taskgate.errors import NotNow

PATIENCE = Patience(total_s=20.0)


@click.command
@click.argument("task")
@click.option("--input", "-i", "given", default="null", help="JSON; @FILE reads a file, - reads standard input.")
@click.option("--wait", "wait_s", type=click.FloatRange(0), help="Seconds to wait for the end; 0 = do not wait.")
@click.option("--version", default="", help="Only workers with this version of the task.")
@click.option("--priority", default=0, help="Larger is sooner.")
@click.option("--delay", "delay_s", type=click.FloatRange(0), help="Seconds before it may start.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(0, min_open=True), help="Seconds one try may take.")
@click.option("--deadline", "deadline_s", type=click.FloatRange(0, min_open=True), help="Seconds it may take in all.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="To find the run by; repeatable.")
@click.option("--idempotency-key", help="The same call with the same key is the same run.")
@json_option
@door_options
def call(task: str, given: str, *, url: str | None, data_dir: str | None, as_json: bool, **options: Any) -> None:
    """Do a task: submit it, watch its journal on standard error, print its output on standard output.

    \b
    Example:
      taskgate call text.keywords --input '{"text": "a rose is a rose"}' --wait 30
      taskgate call text.keywords --input @question.json --json | jq .

    Ctrl-C ends the watching, not the run.
    """
    screen = Screen(as_json=as_json)
    door = find_door(url, data_dir=data_dir)
    wait_s, key = options.pop("wait_s"), options.pop("idempotency_key")
    options["labels"] = dict(pair(label) for label in options["labels"])
    said = {name: value for name, value in options.items() if value not in (None, "", 0, {})}
    value = _input(given)

    async def work() -> None:
        async with AsyncClient(door.url, door.api_key or None, patience=PATIENCE) as client:
            run = await client.submit(task, value, idempotency_key=key, **said)
            await _watch(run, screen, wait_s=wait_s)

    with explained(door):
        asyncio.run(work())


async def _watch(run: AsyncRun, screen: Screen, *, wait_s: float | None) -> None:
    if wait_s == 0:
        screen.sentences([run.id], {"id": run.id, "status": run.status})
        return
    screen.note(f"run {run.id}")
    try:
        async with asyncio.timeout(wait_s):
            if screen.as_json:
                await run.wait()
            else:
                await _follow(run)
    except TimeoutError:
        hint = f"run {run.id} goes on: `taskgate runs logs -f {run.id}` shows it"
        raise NotNow(hint, code="STILL_RUNNING", extra={"id": run.id}) from None
    except asyncio.CancelledError:
        screen.note(f"run {run.id} goes on: `taskgate runs cancel {run.id}` ends it")
        raise
    output = await run.output()
    if screen.as_json:
        screen.document(output)
    else:
        indented = msgspec.json.format(msgspec.json.encode(output), indent=2).decode()
        click.echo(plain(output if isinstance(output, str) else indented, keep_lines=True))


async def _follow(run: AsyncRun) -> None:
    with JournalPrinter(as_json=False, to_stderr=True) as printer:
        async for entry in run.follow():
            printer.show(entry)


def _input(given: str) -> msgspec.Raw:
    """The input's bytes as given; wrong JSON is wrong usage."""
    try:
        if given == "-":
            text = sys.stdin.buffer.read()
        else:
            text = Path(given[1:]).read_bytes() if given.startswith("@") else given.encode()
        msgspec.json.decode(text)
    except OSError as error:
        raise click.UsageError(f"--input: cannot read {given[1:]}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise click.UsageError(f"--input is not JSON: {error}") from error
    return msgspec.Raw(text)
