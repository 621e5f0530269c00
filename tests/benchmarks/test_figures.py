"""What the benchmarks print is what was measured: medians, spreads, percentiles, ratios and verdicts."""

from __future__ import annotations

import pytest

from benchmarks.hotspots import shared_out
from benchmarks.runs import Sample, goals
from benchmarks.tables import Goal, goal_table, markdown, percentile, spread

TITLES = {"taskgate": "taskgate", "huey": "Huey", "celery": "Celery"}


def sample(rate: float, *, p50_ms: float = 1.0, door_us: float = 100.0) -> Sample:
    return {"rate": rate, "p50_ms": p50_ms, "door_us": door_us}


def test_spread_is_relative_to_the_median() -> None:
    assert spread([90.0, 100.0, 120.0]) == "30 %"
    assert spread([100.0]) == ""


@pytest.mark.parametrize(("share", "wanted"), [(0.5, 50), (0.99, 99), (1.0, 100)])
def test_percentile_is_the_nearest_rank(share: float, wanted: int) -> None:
    assert percentile(list(range(1, 101)), share) == wanted


def test_percentile_of_few_values() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0


def test_columns_line_up() -> None:
    lines = markdown(["a", "number"], [["long name", "1"], ["b", "22"]]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[2] == "| long name |      1 |"


def test_the_best_peer_is_the_fastest_of_this_run() -> None:
    found = {
        "taskgate": [sample(8_000), sample(9_000)],
        "huey": [sample(3_000, p50_ms=1.5), sample(3_000, p50_ms=1.5)],
        "celery": [sample(500, p50_ms=3.0), sample(1_000, p50_ms=3.0)],
    }
    by_title = {goal.title: goal for goal in goals(found, TITLES)}
    assert by_title["bulk, of the best peer"].measured.startswith("2.8 × Huey")
    assert by_title["bulk, of the best peer"].is_met
    assert by_title["bulk, of Celery prefork"].measured.startswith("12.5 × Celery")
    assert by_title["round trip p50, of the best peer"].wanted == "≤ 1.50 ms (Huey)"


@pytest.mark.parametrize(
    ("ours", "missed"),
    [
        (sample(5_999), {"bulk, embedded, SQLite FULL", "bulk, of the best peer"}),
        (sample(9_000, p50_ms=2.1), {"round trip p50, embedded", "round trip p50, of the best peer"}),
        (sample(9_000, door_us=151), {"gateway CPU per run"}),
    ],
)
def test_a_missed_goal_is_said(ours: Sample, missed: set[str]) -> None:
    found = goals({"taskgate": [ours], "huey": [sample(3_000, p50_ms=2.0)]}, TITLES)
    assert {goal.title for goal in found if not goal.is_met} == missed
    assert goal_table(found).count("MISSED") == len(missed)


def test_nothing_measured_is_nothing_met() -> None:
    assert goals({"huey": [sample(3_000)]}, TITLES) == []
    assert Goal(title="a", wanted="b", measured="", is_met=None).verdict == "not measured"


def test_samples_go_to_the_innermost_file_of_ours() -> None:
    stacks = (
        "loop (asyncio/events.py:80);submit (/x/src/taskgate/runs/intake.py:10);encode (/y/json/encoder.py:5) 30\n"
        "loop (asyncio/events.py:80);submit (/x/src/taskgate/runs/intake.py:12) 10\n"
        "loop (asyncio/events.py:80);select (/y/lib/selectors.py:3) 60\n"
    )
    section = shared_out(stacks, "t")
    assert section.samples == {"runs/intake.py": 40, "(no taskgate on the stack)": 60}
    assert section.rows[0] == ["(no taskgate on the stack)", "60.0%", "lib/selectors.py select", "60.0%"]
