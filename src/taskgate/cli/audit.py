"""`taskgate audit`: who did what, and is the log whole?

Verifying needs nothing but the entries: they are read from the gateway, or from a file that was exported before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from taskgate.audit.chain import Link, Verifier
from taskgate.audit.entry import Entry
from taskgate.cli.connection import door_options, explained, json_option
from taskgate.cli.reading import Reading, download
from taskgate.cli.screen import Screen
from taskgate.client import find_door

PAGE = 200
EXPORT = "/gateway/audit/export"
_LINK = re.compile(r"(\d{1,15}):([0-9a-f]{64})")


class Line(msgspec.Struct):
    """One line of an export: the entry byte for byte as it was hashed."""

    seq: int
    hash: str
    entry: msgspec.Raw


_lines = msgspec.json.Decoder(Line)


@click.group
def audit() -> None:
    """Who did what: list it, export it, verify that nothing was changed."""


@audit.command
@click.option("--action", default="", help="Only this action, like key.create.")
@click.option("--outcome", default="", help="begun, done, refused, failed, denied or noted.")
@click.option("--actor", default="", help="Only deeds of the key with this id.")
@click.option("--subject", default="", help="Only deeds about this.")
@click.option("--from", "from_", default="", metavar="MOMENT", help="Not before this moment (RFC 3339).")
@click.option("--to", default="", metavar="MOMENT", help="Before this moment.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100_000))
@door_options
@json_option
def ls(*, url: str | None, data_dir: str | None, as_json: bool, limit: int, **wanted: str) -> None:
    """The newest entries.

    \b
    Example:
      taskgate audit ls --action key.create
    """
    door, screen, found = find_door(url, data_dir=data_dir), Screen(as_json=as_json), list[Any]()
    query = {name.rstrip("_"): text for name, text in wanted.items()}
    with explained(door), screen.busy("asking the gateway"):
        reading, cursor = Reading(door), ""
        while len(found) < limit:
            asked = {**query, "limit": min(PAGE, limit - len(found)), "cursor": cursor}
            page = reading.page("/gateway/audit", asked)
            found += page["entries"]
            cursor = page["cursor"]
            if not cursor:
                break
    columns = {name: lambda one, name=name: one[name] for name in ("seq", "at", "action", "outcome", "subject")}
    who = {"who": lambda one: one["actor"]["name"] or one["actor"]["id"], "from": lambda one: one["actor"]["address"]}
    screen.rows(found, {**columns, **who, "detail": lambda one: one["detail"]})


@audit.command
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@door_options
@json_option
def export(*, file: Path, url: str | None, data_dir: str | None, as_json: bool) -> None:
    """The whole log into a file, one JSON object a line; the same command again adds what came since.

    \b
    Example:
      taskgate audit export audit.ndjson
    """
    door, screen = find_door(url, data_dir=data_dir), Screen(as_json=as_json)
    reading = Reading(door)
    with explained(door):
        count = download(
            file,
            lambda after: reading.lines(EXPORT, {"after": after}),
            place_of=lambda line: str(_lines.decode(line).seq),
            screen=screen,
        )
    screen.sentences([f"{count} entries written to {file}"], {"entries": count, "file": str(file)})


@audit.command
@click.option(
    "--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="An export, not the gateway."
)
@click.option("--expect", default="", metavar="SEQ:HASH", help="A head that was noted before: it must be in the log.")
@door_options
@json_option
def verify(*, file: Path | None, expect: str, url: str | None, data_dir: str | None, as_json: bool) -> int:
    """Follow the chain from its beginning to its head. Note the head that is printed somewhere else: with --expect it
    proves later that nothing before it was changed.

    \b
    Example:
      taskgate audit verify
    """
    screen, wanted = Screen(as_json=as_json), _link(expect)
    if file is not None:
        with file.open("rb") as lines, screen.busy("following the chain"):
            verifier = _followed(lines, None, wanted)
    else:
        door = find_door(url, data_dir=data_dir)
        with explained(door), screen.busy("following the chain"):
            reading = Reading(door)
            ends = reading.page("/gateway/audit/ends", {})
            first, head = Link(**ends["checkpoint"]), Link(**ends["head"])
            verifier = _followed(_until(reading.lines(EXPORT, {}), head.seq), first, wanted)
            verifier.end(head)
    place = f"{verifier.place.seq}:{verifier.place.hash}"
    verdict = "the log is whole" if not verifier.flaws else "the log is NOT whole"
    told = {"whole": not verifier.flaws, "entries": verifier.count, "head": place, "flaws": verifier.flaws}
    screen.sentences([*verifier.flaws, f"{verdict}: {verifier.count} entries, head {place}"], told)
    return 1 if verifier.flaws else 0


def _followed(lines: Iterable[bytes], first: Link | None, expected: Link | None) -> Verifier:
    """Follow the lines; without a beginning the first line is believed to be one."""
    verifier: Verifier | None = None if first is None else Verifier(first)
    is_met = expected is None or expected == first
    for text in lines:
        line = _lines.decode(text)
        entry = Entry(line.seq, bytes(line.entry), line.hash)
        if verifier is None:
            verifier = Verifier(Link() if entry.seq == 1 else Link(entry.seq, entry.hash))
            if entry.seq != 1:
                continue
        verifier.follow(entry)
        is_met = is_met or Link(entry.seq, entry.hash) == expected
    verifier = verifier or Verifier(Link())
    if not is_met and expected is not None:
        verifier.flaws.append(f"the head that was noted at {expected.seq} is not in the log")
    return verifier


def _until(lines: Iterator[bytes], seq: int) -> Iterator[bytes]:
    """The lines up to that number: what is appended meanwhile is not looked at."""
    for line in lines:
        if _lines.decode(line).seq > seq:
            return
        yield line


def _link(text: str) -> Link | None:
    if not text:
        return None
    found = _LINK.fullmatch(text)
    if found is None:
        raise click.UsageError("--expect is SEQ:HASH, as `verify` prints it")
    return Link(int(found[1]), found[2])
