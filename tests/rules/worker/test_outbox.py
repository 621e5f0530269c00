"""The order of words and results when the link has no room."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskgate.wire.messages import Log, LogLine, TaskResult
from taskgate.worker.outbox import FULL_BYTES, Item, Outbox


class Link:
    def __init__(self) -> None:
        self.room = 0
        self.sent: list[Item] = []

    def send(self, item: Item) -> None:
        self.sent.append(item)
        if isinstance(item, Log):
            self.room -= len(item.lines[0].text)


def log(run: str, text: str) -> Log:
    return Log(run_id=run, attempt=1, lease_token="t", lines=[LogLine(seq=1, text=text)])


def end(run: str) -> TaskResult:
    return TaskResult(run_id=run, attempt=1, lease_token="t")


def made() -> tuple[Link, Outbox]:
    link = Link()
    return link, Outbox(lambda: link.room, link.send)


def test_with_room_everything_goes_at_once() -> None:
    link, outbox = made()
    link.room = 100
    outbox.put(log("a", "x"))
    outbox.put(end("a"))
    assert len(link.sent) == 2
    assert outbox.is_empty


def test_a_result_waits_for_its_own_words_and_for_no_others() -> None:
    link, outbox = made()
    outbox.put(log("a", "x"))
    outbox.put(end("a"))
    outbox.put(end("b"))
    assert link.sent == [end("b")]
    link.room = 1
    outbox.pump()
    assert link.sent == [end("b"), log("a", "x"), end("a")]


def test_what_nobody_wants_any_more_makes_room() -> None:
    link, outbox = made()
    outbox.put(log("a", "x" * FULL_BYTES))
    outbox.put(log("b", "yy"))
    states = [outbox.is_full]
    outbox.put(end("a"))
    assert outbox.forget(("a", 1)) == end("a")
    assert outbox.forget(("a", 1)) is None
    assert [*states, outbox.is_full] == [True, False]
    link.room = 5
    outbox.pump()
    assert link.sent == [log("b", "yy")]


ACTS = st.lists(st.tuples(st.sampled_from(["log", "end", "room", "pump"]), st.sampled_from("abc"), st.integers(0, 9)))


@given(ACTS)
def test_inv_l1_each_run_is_told_in_order(acts: list[tuple[str, str, int]]) -> None:
    link, outbox = made()
    told: dict[str, list[Item]] = {"a": [], "b": [], "c": []}
    for act, run, number in acts:
        if act == "log":
            item: Item = log(run, f"{number}" * (number + 1))
            told[run].append(item)
            outbox.put(item)
        elif act == "end":
            told[run].append(end(run))
            outbox.put(end(run))
        elif act == "room":
            link.room = number
        else:
            outbox.pump()
    link.room = 10**6
    outbox.pump()
    assert outbox.is_empty
    for run, items in told.items():
        assert [item for item in link.sent if item.run_id == run] == items
