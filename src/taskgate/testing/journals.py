"""What tests of journals say and see: batches of lines, everything that is stored, random histories.

A history is a list of commands played against any journal; two journals that hold the contract answer alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from taskgate.journal.entry import Appended, Batch, Draft, Entry
from taskgate.journal.page import Page
from taskgate.journal.ports import Journal


def lines(subject: str, numbers: Iterable[int], *, attempt: int = 1, stream: str = "stdout", text: str = "") -> Batch:
    """A batch of log lines with these source numbers; each says its number unless there is a `text`."""
    drafts = tuple(
        Draft(kind="log", at=1000.0 + number, text=text or f"line {number}", source_seq=number) for number in numbers
    )
    return Batch(subject=subject, attempt=attempt, stream=stream, drafts=drafts)


async def append(journal: Journal, *batches: Batch) -> list[Appended]:
    """The verdicts on some batches of one append."""
    return await journal.append(batches)


async def everything(journal: Journal, subject: str, *, after: int = 0, limit: int = 1000) -> list[Entry]:
    """All entries after `after`, page by page."""
    found: list[Entry] = []
    while page := await journal.read(subject, found[-1].seq if found else after, limit=limit):
        found += page
    return found


async def followed(journal: Journal, subject: str, *, count: int, after: int = 0) -> list[Entry]:
    """The first `count` entries (or a few more, a page is never cut) that a follower is given."""
    found: list[Entry] = []
    pages = journal.follow(subject, after)
    try:
        while len(found) < count:
            found += await anext(pages)
    finally:
        await pages.aclose()
    return found


def texts(entries: Sequence[Entry]) -> list[str]:
    """What the entries say."""
    return [entry.text for entry in entries]


def seqs(entries: Sequence[Entry]) -> list[int]:
    """The entries' numbers."""
    return [entry.seq for entry in entries]


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """Append batches in one call."""

    batches: tuple[Batch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Read a page."""

    subject: str
    after: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """Seal a subject."""

    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """Purge subjects."""

    subjects: tuple[str, ...]


Command = Say | Read | Seal | Purge
Answer = list[Appended] | Page | int

_subjects = st.sampled_from(["a", "b", "c"])
_batches = st.builds(
    lambda subject, attempt, stream, first, steps, text: lines(
        subject,
        [0 if first == 0 else first + sum(steps[:place]) for place in range(len(steps))],
        attempt=attempt,
        stream=stream,
        text=text,
    ),
    _subjects,
    st.integers(1, 2),
    st.sampled_from(["stdout", "stderr"]),
    st.sampled_from([0, 1, 1, 2, 3, 5, 9]),
    st.lists(st.sampled_from([1, 1, 1, 1, 0, 2]), max_size=5),
    st.sampled_from(["", "ü" * 40, "\U0001f600\x00\n"]),
)
_commands = st.one_of(
    st.builds(lambda batches: Say(batches=tuple(batches)), st.lists(_batches, max_size=4)),
    st.builds(lambda batches: Say(batches=tuple(batches)), st.lists(_batches, max_size=4)),
    st.builds(Read, subject=_subjects, after=st.integers(-1, 30), limit=st.integers(1, 20)),
    st.builds(Seal, subject=_subjects),
    st.builds(lambda subjects: Purge(subjects=tuple(subjects)), st.lists(_subjects, max_size=2)),
)
histories = st.lists(_commands, max_size=40)


async def play(journal: Journal, history: Sequence[Command], *, name: str = "") -> list[Answer]:
    """The answers to a history, and at last everything that is stored; `name` keeps histories apart."""
    answers: list[Answer] = []
    for command in history:
        match command:
            case Say():
                batches = [
                    Batch(subject=name + batch.subject, attempt=batch.attempt, stream=batch.stream, drafts=batch.drafts)
                    for batch in command.batches
                ]
                answers.append(await journal.append(batches))
            case Read():
                answers.append(await journal.read(name + command.subject, command.after, limit=command.limit))
            case Seal():
                answers.append(await journal.seal(name + command.subject))
            case Purge():
                await journal.purge([name + subject for subject in command.subjects])
    answers += [Page(await everything(journal, name + subject, limit=7)) for subject in "abc"]
    return answers
