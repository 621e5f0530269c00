"""The contract of `Roster`: workers that were ever seen, by id.

Subclass it with a fixture `roster`.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from taskgate.fleet.ports import Roster, WorkerRecord


def worker(worker_id: str = "gpu-1", **changes: object) -> WorkerRecord:
    """A worker with something in every field."""
    plain = WorkerRecord(
        worker_id=worker_id,
        site_id="site-a",
        kind="worker",
        transport="websocket",
        tasks=("b.task", "a.task"),
        labels={"gpu": "yes", "ort": "Köln"},
        slots=4,
        key_id="key000000001",
        first_seen_at=100.125,
        last_seen_at=100.125,
        metadata={"cpu": {"cores": 8}, "list": [1, 2.5, None, True]},
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


class RosterContract:
    """Fixture: `roster`, an empty Roster."""

    async def test_a_worker_comes_back_as_it_was_saved(self, roster: Roster) -> None:
        await roster.save(worker())
        assert await roster.find("gpu-1") == worker()
        assert await roster.find("gpu-2") is None

    async def test_the_first_sight_is_kept(self, roster: Roster) -> None:
        await roster.save(worker())
        await roster.save(worker(first_seen_at=200.0, last_seen_at=200.0, slots=8, tasks=(), labels={}))
        again = worker(last_seen_at=200.0, slots=8, tasks=(), labels={})
        assert await roster.all() == [again]

    async def test_an_id_is_the_first_sites_that_used_it(self, roster: Roster) -> None:
        """Two sites that come with one new id at two gateways: both have looked and found nobody."""
        sites = [f"site-{number}" for number in range(8)]
        saved = await asyncio.gather(*[roster.save(worker(site_id=site, labels={"of": site})) for site in sites])
        assert saved.count(True) == 1
        first = worker(site_id=sites[saved.index(True)], labels={"of": sites[saved.index(True)]})
        assert await roster.all() == [first]
        assert await roster.save(replace(first, last_seen_at=200.0)) is True
        assert await roster.save(worker(site_id="*", last_seen_at=300.0)) is False
        assert await roster.find("gpu-1") == replace(first, last_seen_at=200.0)
        await roster.remove("gpu-1")
        assert await roster.save(worker(site_id="site-z")) is True

    async def test_a_site_sees_its_own_workers_by_id(self, roster: Roster) -> None:
        two, one, other = worker("two"), worker("one"), worker("zero", site_id="site-b")
        for record in (two, one, other):
            await roster.save(record)
        assert await roster.all("site-a") == [one, two]
        assert await roster.all("site-c") == []
        assert await roster.all() == [one, two, other]
        assert await roster.all(None) == [one, two, other]

    async def test_a_worker_that_went_was_last_seen_then_and_may_come_back(self, roster: Roster) -> None:
        await roster.save(worker())
        await roster.gone("gpu-1", 150.5)
        await roster.gone("unknown", 150.5)
        assert await roster.all() == [worker(gone_at=150.5, last_seen_at=150.5)]
        await roster.save(worker(last_seen_at=160.0))
        assert await roster.find("gpu-1") == worker(last_seen_at=160.0)

    async def test_a_removed_worker_is_forgotten(self, roster: Roster) -> None:
        await roster.save(worker())
        assert await roster.remove("gpu-1") is True
        assert await roster.remove("gpu-1") is False
        await roster.save(worker(first_seen_at=300.0))
        assert await roster.all() == [worker(first_seen_at=300.0)]
