"""A seed is a plan: the same one every time, within its length, of the kinds that were asked for."""

from __future__ import annotations

from tests.nemesis.plan import CALM_S, KINDS, plan_of


def test_a_seed_makes_the_same_plan_again() -> None:
    assert plan_of(7, 120.0) == plan_of(7, 120.0)
    assert plan_of(7, 120.0) != plan_of(8, 120.0)


def test_a_plan_keeps_to_its_length_kinds_and_targets() -> None:
    plan = plan_of(3, 900.0)
    assert {fault.action for fault in plan} == set(KINDS)
    assert all(fault.target in KINDS[fault.action].targets for fault in plan)
    assert all(KINDS[fault.action].shortest_s <= fault.for_s <= KINDS[fault.action].longest_s for fault in plan)
    assert max(fault.at_s for fault in plan) < 900.0 - CALM_S
    assert {fault.action for fault in plan_of(3, 60.0, kinds=["redis.empty"])} == {"redis.empty"}
