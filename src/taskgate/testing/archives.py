"""What tests of archives put in and ask: ended runs of every shape, and random histories.

A history is a list of commands; two archives that hold the contract give the same answers to the same history.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from msgspec.structs import replace

from taskgate.history.ports import EndedRef, HistoryFilter, RunArchive
from taskgate.runs.run import ENDED, Attempt, Outcome, Run, RunError, Status, Tenant
from taskgate.runs.task import QueueKey
from taskgate.testing.stage import numbered_id

BASE = 1_800_000_000.0
STATUSES = sorted(ENDED)
TEXTS = ("", "eu", "a b", "100%", "_", "\x00", "☃", "\U0001f600", "x' OR '1'='1", "|", "Köln", "köln", "eu ")
NAMES = ("zone", "Zone", "z|one", "\U0001f680")
Command = tuple[str, Any]


def ended_run(number: int = 1, **changes: Any) -> Run:
    """An ended run with something in every field; its id and the moment of its end sort by `number`."""
    at = BASE + number
    first = _first_attempt(at)
    second = replace(first, number=2, holder="http/math", outcome=Outcome.SUCCEEDED, error=None, request=None)
    plain = Run(
        id=numbered_id(number),
        tenant=Tenant(site_id="site-a", user_id="u1", app_id="app"),
        task="text.echo",
        version="2",
        definition="d" * 32,
        labels=(("zone", "eu"), ("note", "☃\x00")),
        queue=QueueKey(task="text.echo", labels=(("gpu", "1"),)),
        priority=-3,
        input=b'{"text": "\\ud800 \\u0000 \xf0\x9f\x98\x80"}',
        status=Status.SUCCEEDED,
        chain_position=1,
        attempt=2,
        tries=1,
        current=second,
        attempts=(first,),
        created_at=at - 10.1,
        deadline_at=at + 100.0,
        started_at=at - 8.0,
        ended_at=at,
        output=b'{"done": true}',
        result_digest="digest",
        idempotency_key="key",
        body_digest="body",
        retry_of=numbered_id(9_999),
        submitted_by="key000000001",
        traceparent="00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
    )
    return replace(plain, **changes)


def _first_attempt(at: float) -> Attempt:
    return Attempt(
        number=1,
        target="workers",
        chain_position=0,
        holder="w1",
        granted_at=at - 9.125,
        started_at=at - 8.0,
        ended_at=at - 7.0,
        outcome=Outcome.FAILED,
        error=RunError(code="BROKEN", message="a\x00b \U0001f600", retry_at=at),
        request=b'{"other": 1}',
        response=b'"half"',
        moved_on_because="BROKEN",
    )


def ref_of(run: Run) -> EndedRef:
    """How the ledger would tell of it."""
    return EndedRef(run.id, run.ended_at or 0.0, run.stopped_at is not None)


async def found(archive: RunArchive, **wanted: Any) -> list[str]:
    """The ids of a page, for one site unless said otherwise."""
    return [run.id for run in await archive.history(HistoryFilter(**{"site_id": "site-a", **wanted}))]


def history_of(random: Random, *, steps: int) -> list[Command]:
    """A random history: what is recorded, looked for and purged, again and again."""
    commands: list[Command] = []
    runs: list[Run] = []
    for _ in range(steps):
        verb = random.choices(("record", "history", "get", "lacking", "purge"), (5, 9, 2, 3, 1))[0]
        if verb == "record":
            first = len(runs)
            for _ in range(random.randint(1, 6)):
                runs.append(_some_run(random, runs))
            commands.append((verb, runs[first:]))
        elif verb == "history":
            commands.append((verb, _some_filter(random, runs)))
        elif verb == "purge":
            commands.append((verb, (BASE + random.randint(-5, 40), random.choice((1, 2, 500)))))
        else:
            known = random.sample(runs, min(len(runs), 4))
            strangers = [ended_run(random.randint(500, 600))]
            commands.append((verb, [*known, *strangers]))
    return commands


async def played(archive: RunArchive, commands: Sequence[Command]) -> list[object]:
    """What the archive answers to each command."""
    answers: list[object] = []
    for verb, what in commands:
        if verb == "record":
            await archive.record(what)
            answers.append(None)
        elif verb == "history":
            answers.append(await archive.history(what))
        elif verb == "get":
            answers.append(await archive.get([run.id for run in what]))
        elif verb == "lacking":
            asked = [replace(ref_of(run), is_stopped=bool(place % 2)) for place, run in enumerate(what)]
            answers.append(await archive.lacking(asked))
        else:
            answers.append(await archive.purge(*what))
    return answers


def _some_run(random: Random, runs: Sequence[Run]) -> Run:
    if runs and random.random() < 0.3:
        return replace(random.choice(runs), stopped_at=random.choice((None, BASE + 77.5)))
    number = random.randint(1, 400)
    if any(run.id == numbered_id(number) for run in runs):
        return next(run for run in runs if run.id == numbered_id(number))
    labels = tuple(sorted({random.choice(NAMES): random.choice(TEXTS) for _ in range(random.randint(0, 2))}.items()))
    plain = ended_run(number)
    return replace(
        plain,
        tenant=Tenant(site_id=random.choice(("site-a", "site-b", "Site-a")), user_id=random.choice(("", "u1", "u2"))),
        task=random.choice(("text.echo", "text.Echo", "other_task", "otherxtask")),
        status=Status(random.choice(STATUSES)),
        labels=labels,
        ended_at=BASE + random.randint(0, 30) + random.choice((0.0, 0.1, 0.123456)),
        current=None if random.random() < 0.2 else replace(plain.attempts[0], holder=random.choice(("w1", "w2", "W1"))),
        attempts=() if random.random() < 0.5 else plain.attempts,
        stopped_at=random.choice((None, None, BASE + 50.0)),
    )


def _some_filter(random: Random, runs: Sequence[Run]) -> HistoryFilter:
    some = random.choice(runs) if runs else ended_run()
    place = ref_of(some).place

    def sometimes(value: Any, otherwise: Any) -> Any:
        return value if random.random() < 0.3 else otherwise

    return HistoryFilter(
        site_id=random.choice((some.tenant.site_id, "site-a")),
        user_id=sometimes("u1", ""),
        task=sometimes(some.task, ""),
        status=sometimes(some.status, None),
        ended_from=sometimes(place.ended_at - random.choice((0.0, 5.0)), None),
        ended_before=sometimes(place.ended_at + random.choice((0.0, 5.0)), None),
        label=sometimes((random.choice(NAMES), random.choice(TEXTS)), None),
        holder=sometimes(random.choice(("w1", "w2", "W1", "http/math", "w%")), ""),
        id_prefix=sometimes(some.id[: random.choice((1, 8, 34, 36))], ""),
        limit=random.choice((1, 3, 50)),
        cursor=sometimes(place, None),
    )
