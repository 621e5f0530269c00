"""Goals of the proxy are ratios of the same round; a row that was not measured is never met."""

from __future__ import annotations

import pytest

from benchmarks.proxies import CONTESTANTS
from benchmarks.proxy_verdicts import Samples, proxy_goals, proxy_section


def samples(share: float) -> Samples:
    """taskgate at this share of nginx in every round, though the machine halves its speed in the second."""
    ours = [{"rate": 1000.0 * share, "p50_us": 110.0}, {"rate": 500.0 * share, "p50_us": 220.0}]
    theirs = [{"rate": 1000.0, "p50_us": 100.0}, {"rate": 500.0, "p50_us": 200.0}]
    return {"taskgate": {"get": ours, "one": ours}, "nginx": {"get": theirs, "one": theirs}}


@pytest.mark.parametrize(("share", "is_met"), [(0.55, True), (0.45, False)])
def test_a_goal_is_a_ratio_of_the_same_round(share: float, is_met: bool) -> None:
    found = {goal.title: goal for goal in proxy_goals(samples(share))}
    goal = found["proxy: GET 1 KiB, 64 connections, 2 headers"]
    assert (goal.is_met, goal.measured) == (is_met, f"{share:.0%} (spread 0 %)")
    assert found["proxy: p50 at 1 connection"].measured == "1.10 × (spread 0 %)"
    assert found["proxy: p50 at 1 connection"].is_met is True


def test_what_was_not_measured_is_not_met() -> None:
    assert {goal.is_met for goal in proxy_goals({"taskgate": {"get": []}, "nginx": {}})} == {None}
    assert proxy_goals({"nginx": {}}) == []


def test_every_row_can_be_told() -> None:
    """Rows that are no rate have other members; the table is made of whatever there is."""
    idle = [{"count": 500.0, "open": 500.0, "kib_each": 4.0, "cpu_share": 0.01}]
    paced = [{"rate": 10.0, "cpu_us": 1.0, "smooth": 500.0, "wanted": 500.0, "worst_ms": 3.0}]
    kept = {key: {**rows, "idle": idle, "paced": paced} for key, rows in samples(0.5).items()}
    for rows in kept.values():
        rows["get"] = [{**sample, "cpu_us": 20.0} for sample in rows["get"]]
        rows["one"] = [{**sample, "p99_us": 300.0} for sample in rows["one"]]
    section = proxy_section(CONTESTANTS, kept, {"caddy": "not here"}, rounds=(2, 3))
    assert section.is_whole
    assert [row[1] for row in section.rows if row[0].startswith("idle")] == ["4.0, CPU 1.0 %"]
    assert "left out: Caddy" in " ".join(section.notes)
