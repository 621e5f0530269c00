"""The contract of `RunArchive` and of `EndedRuns`: whole ended runs, newest end first, by tenant; nothing changes.

Subclass with a fixture `archive`, or with `stage` (a `RunStage`) and `ended` over the same state.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from taskgate.history.ports import BEGINNING, EndedRuns, HistoryFilter, RunArchive
from taskgate.runs.run import Attempt, Run, Status, Tenant
from taskgate.testing.archives import BASE, ended_run, found, ref_of
from taskgate.testing.stage import RunStage, numbered_id

LARGE = 768 << 10
HOSTILE = ("' OR '1'='1", "%", "_", "\\", '"; DROP TABLE archived_runs; --', "\x00", "🚀' --")


class RunArchiveContract:
    """Fixture: `archive`, an empty RunArchive."""

    async def test_a_run_comes_back_as_it_was_kept(self, archive: RunArchive) -> None:
        bare = replace(ended_run(2), tenant=Tenant(site_id="s"), labels=(), current=None, attempts=(), output=None)
        await archive.record([ended_run(1), bare])
        assert await archive.get([bare.id, numbered_id(3), ended_run(1).id]) == [bare, None, ended_run(1)]

    async def test_nothing_of_nothing(self, archive: RunArchive) -> None:
        await archive.record([])
        assert await archive.get([]) == []
        assert await archive.lacking([]) == []
        assert await archive.purge(BASE + 99, 10) == 0

    async def test_the_same_runs_again_change_nothing(self, archive: RunArchive) -> None:
        run = ended_run()
        await archive.record([run, run])
        await archive.record([replace(run, task="other", status=Status.FAILED, output=b"0"), run])
        assert await archive.get([run.id]) == [run]
        assert await found(archive) == [run.id]

    async def test_only_the_moment_of_stopping_is_learned_later(self, archive: RunArchive) -> None:
        run = ended_run()
        stopped = replace(run, stopped_at=BASE + 5.5)
        await archive.record([run])
        await archive.record([stopped])
        await archive.record([run, replace(run, stopped_at=BASE + 9.0)])
        assert await archive.get([run.id]) == [stopped]

    async def test_it_tells_what_it_lacks(self, archive: RunArchive) -> None:
        kept, stopped, fresh = ended_run(1), ended_run(2, stopped_at=BASE), ended_run(3)
        await archive.record([kept, stopped])
        assert await archive.lacking([ref_of(fresh), ref_of(stopped), ref_of(kept)]) == [fresh.id]
        later = replace(ref_of(kept), is_stopped=True)
        assert await archive.lacking([later, replace(ref_of(stopped), is_stopped=False)]) == [kept.id]

    async def test_lists_have_neither_inputs_nor_attempts(self, archive: RunArchive) -> None:
        run = ended_run()
        await archive.record([run])
        bare = replace(run, input=b"", output=None, current=None, attempts=())
        assert await archive.history(HistoryFilter(site_id="site-a")) == [bare]

    async def test_newest_end_first_and_pages_stand_still_while_runs_come(self, archive: RunArchive) -> None:
        old = [ended_run(number, ended_at=BASE + number // 3) for number in (3, 1, 5, 2, 4, 6, 7)]
        await archive.record(old)
        wanted, seen = HistoryFilter(site_id="site-a", limit=2), list[str]()
        while page := await archive.history(wanted):
            seen += [run.id for run in page]
            wanted = replace(wanted, cursor=ref_of(page[-1]).place)
            await archive.record([ended_run(100 + len(seen))])
        assert seen == [numbered_id(number) for number in (7, 6, 5, 4, 3, 2, 1)]

    @pytest.mark.parametrize(
        ("wanted", "numbers"),
        [
            ({}, [4, 3, 2, 1]),
            ({"site_id": "site-b"}, [5]),
            ({"site_id": "site"}, []),
            ({"user_id": "u2"}, [2]),
            ({"task": "other"}, [3]),
            ({"task": "text.echo", "user_id": "u1"}, [4, 1]),
            ({"status": Status.FAILED}, [2]),
            ({"ended_from": BASE + 2}, [4, 3, 2]),
            ({"ended_before": BASE + 2}, [1]),
            ({"ended_from": BASE + 2, "ended_before": BASE + 4}, [3, 2]),
            ({"label": ("zone", "us")}, [4]),
            ({"label": ("note", "☃\x00")}, [3, 2, 1]),
            ({"label": ("zone", "u")}, []),
            ({"holder": "http/math"}, [4, 3, 2, 1]),
            ({"holder": "w9"}, [2]),
            ({"holder": "w"}, []),
            ({"id_prefix": numbered_id(3)}, [3]),
            ({"id_prefix": "0193"}, [4, 3, 2, 1]),
            ({"id_prefix": "f"}, []),
            ({"id_prefix": numbered_id(5)}, []),
            ({"limit": 1}, [4]),
        ],
    )
    async def test_filters(self, archive: RunArchive, wanted: dict[str, Any], numbers: list[int]) -> None:
        await archive.record(
            [
                ended_run(1),
                ended_run(2, tenant=Tenant(site_id="site-a", user_id="u2"), status=Status.FAILED,
                          attempts=(_attempt(1, "w9"), _attempt(2, "w1"))),
                ended_run(3, task="other"),
                ended_run(4, labels=(("zone", "us"),)),
                ended_run(5, tenant=Tenant(site_id="site-b", user_id="u1")),
            ]
        )  # fmt: skip
        assert await found(archive, **wanted) == [numbered_id(number) for number in numbers]

    @pytest.mark.parametrize("text", HOSTILE)
    async def test_what_is_looked_for_is_never_part_of_a_statement(self, archive: RunArchive, text: str) -> None:
        """S17: quotes, wildcards and NUL are letters like any other."""
        marked = ended_run(2, labels=((text, text),), current=_attempt(3, text), output=text.encode())
        await archive.record([ended_run(1), marked])
        assert await found(archive, label=(text, text)) == [marked.id]
        assert await found(archive, holder=text) == [marked.id]
        harmless = text.replace("\x00", "")
        assert await found(archive, task=harmless or "'") == []
        assert await found(archive, id_prefix=harmless or "'") == []
        assert await archive.get([marked.id, harmless]) == [marked, None]

    async def test_the_largest_runs_fit(self, archive: RunArchive) -> None:
        """768 KiB each way, and many attempts that answered as much: more than one packet of any server."""
        text = b'"' + "\U0001f600'\\".encode() * (LARGE // 6) + b'"'
        attempts = tuple(_attempt(number, "w1", response=text) for number in range(1, 25))
        large = ended_run(1, input=text, output=text, attempts=attempts)
        many = [ended_run(number, input=text[:200_000]) for number in range(2, 60)]
        await archive.record([large, *many])
        assert await archive.get([large.id, many[-1].id]) == [large, many[-1]]
        assert len(await found(archive, limit=100)) == 59

    async def test_purging_takes_the_oldest_ends(self, archive: RunArchive) -> None:
        await archive.record([ended_run(number) for number in range(1, 8)])
        assert await archive.purge(BASE + 6, 2) == 2
        assert await found(archive) == [numbered_id(number) for number in (7, 6, 5, 4, 3)]
        assert await archive.purge(BASE + 6, 500) == 3
        assert await archive.purge(BASE + 6, 500) == 0
        assert await found(archive) == [numbered_id(number) for number in (7, 6)]


class EndedRunsContract:
    """Fixtures: `stage`, a RunStage, and `ended`, the EndedRuns of the same state."""

    async def test_ended_runs_by_their_end(self, stage: RunStage, ended: EndedRuns) -> None:
        await stage.added()
        runs: list[Run] = []
        for status in (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED, Status.TIMED_OUT):
            stage.clock.advance(0.123457)
            runs.append(await stage.ended(status))
        now = stage.clock.now()
        assert await ended.ended(BEGINNING, until=now, limit=9) == [ref_of(run) for run in runs]
        first = await ended.ended(BEGINNING, until=now, limit=2)
        rest = await ended.ended(first[-1].place, until=now, limit=9)
        assert [ref.id for ref in (*first, *rest)] == [run.id for run in runs]
        assert await ended.ended(rest[-1].place, until=now + 1, limit=9) == []
        assert len(await ended.ended(BEGINNING, until=now - 0.1, limit=9)) == 3

    async def test_those_that_ended_together_are_told_once_each(self, stage: RunStage, ended: EndedRuns) -> None:
        ids = sorted([(await stage.ended()).id for _ in range(5)])
        place, seen = BEGINNING, list[str]()
        while page := await ended.ended(place, until=stage.clock.now(), limit=2):
            seen += [ref.id for ref in page]
            place = page[-1].place
        assert seen == ids

    async def test_it_tells_whose_holder_has_stopped(self, stage: RunStage, ended: EndedRuns) -> None:
        run = await stage.ended(Status.CANCELLED)
        await stage.book.mark_stopped(run.id, run.attempt)
        assert [ref.is_stopped for ref in await ended.ended(BEGINNING, until=stage.clock.now(), limit=9)] == [True]


def _attempt(number: int, holder: str, **changes: Any) -> Attempt:
    return replace(ended_run().attempts[0], number=number, holder=holder, **changes)
