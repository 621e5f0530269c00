"""A worker's hello never overrides what a person declared, whoever it was declared for (DESIGN 4)."""

from __future__ import annotations

from taskgate.runs.task import Target
from taskgate.wire.messages import TaskOffer
from tests.flows.runs.house import OTHER, House


async def test_a_site_worker_does_not_shadow_what_was_declared_for_all_sites(house: House) -> None:
    await house.define("shared", Target(kind="workers", retries=7))
    refused = await house.gateway.declarations.offered("other", [TaskOffer(name="shared")])
    assert refused == {}
    known = house.gateway.definitions.known("other", "shared")
    assert known is not None
    assert known.definition.declared
    run = await house.submit("shared", by=OTHER)
    assert run.definition == known.digest


async def test_a_site_worker_still_makes_tasks_of_its_own(house: House) -> None:
    assert await house.gateway.declarations.offered("other", [TaskOffer(name="own")]) == {}
    assert house.gateway.definitions.known("other", "own") is not None
    assert house.gateway.definitions.known("third", "own") is None
