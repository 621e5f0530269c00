"""Both clients on a journal that is cut, repeated and skipped: the reader sees 1..n, once each (INV-L1, INV-L2)."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskgate.client import Client, Patience
from taskgate.errors import NotFound, RemoteLinkError, Unavailable
from tests.flows.client.conftest import Shell
from tests.flows.client.scripted import CUT, Asked, Reply, event, problem, replies, run_content, serving

EVENTS = {"Content-Type": "text/event-stream"}
ACCEPTED = Reply(status=202, content=run_content())
END = 20


def journal(seq: int) -> bytes:
    """Entry `seq` of a journal of twenty."""
    return event(seq, "result", fields={"count": END - 1, "sha256": digest(END)}) if seq == END else event(seq)


def digest(end: int) -> str:
    """The hash over the entries before `end`."""
    lines = "".join(f"{seq}\tlog\t\tline {seq}\n" for seq in range(1, end))
    return hashlib.sha256(lines.encode()).hexdigest()


def end(last_seq: int) -> bytes:
    """What the gateway says behind the last entry."""
    return b"event: end\ndata: " + json.dumps({"status": "succeeded", "last_seq": last_seq}).encode() + b"\n\n"


def stream(*pieces: bytes, is_cut: bool = False) -> Reply:
    """A journal's stream."""
    return Reply(headers=EVENTS, pieces=pieces, is_cut=is_cut)


def resuming(cut_after: Callable[[int], int]) -> Callable[[Asked], Reply]:
    """A gateway that honours Last-Event-ID and breaks every stream some entries behind it."""

    def script(asked: Asked) -> Reply:
        if asked.method == "POST":
            return ACCEPTED
        after = int(asked.headers["last-event-id"])
        last = min(END, after + cut_after(after))
        pieces = [b": alive\n\n", *(journal(seq) for seq in range(after + 1, last + 1))]
        if last == END:
            pieces.append(end(END))
        else:
            pieces.append(journal(last + 1)[:9])  # half an entry is no entry
        return stream(*pieces, is_cut=last < END)

    return script


def started(shell: Shell, url: str, *, total_s: float = 5.0) -> Any:
    """A run to follow."""
    return shell.do(shell.client(url, total_s=total_s).submit("t", 1))


@pytest.mark.parametrize("length", [0, 1, 3, 19, 20])
def test_a_journal_survives_cuts(shell: Shell, length: int) -> None:
    """However often the stream breaks, entries come in order, once each, and the end is proved."""
    calls = iter(range(1000))
    with serving(resuming(lambda after: length if next(calls) % 2 else max(1, length))) as gateway:
        entries = shell.do(started(shell, gateway.url).follow())
    assert [entry.seq for entry in entries] == list(range(1, END + 1))
    assert entries[-1].kind == "result"


def test_a_repeat_is_dropped(shell: Shell) -> None:
    whole = stream(*(journal(seq) for seq in [1, 2, 1, 2, *range(2, END + 1)]))
    with serving(replies(ACCEPTED, whole)) as gateway:
        entries = shell.do(started(shell, gateway.url).follow())
    assert [entry.seq for entry in entries] == list(range(1, END + 1))


def test_a_gap_is_asked_for_again(shell: Shell) -> None:
    holey = stream(journal(1), journal(2), journal(4))
    whole = stream(*(journal(seq) for seq in range(3, END + 1)))
    with serving(replies(ACCEPTED, holey, whole)) as gateway:
        entries = shell.do(started(shell, gateway.url).follow())
    assert [entry.seq for entry in entries] == list(range(1, END + 1))
    assert [asked.headers["last-event-id"] for asked in gateway.asked[1:]] == ["0", "2"]


def test_a_gap_that_stays_is_told(shell: Shell) -> None:
    with serving(replies(ACCEPTED, stream(journal(1), journal(3)))) as gateway:
        run = started(shell, gateway.url)
        with pytest.raises(RemoteLinkError, match="skips entries after 1"):
            shell.do(run.follow())


def test_an_end_that_counts_otherwise_is_told(shell: Shell) -> None:
    """INV-L2: the end carries the count, so a journal that lost its tail cannot pass for a whole one."""
    short = stream(journal(1), event(2, "result", fields={"count": 7}))
    with serving(replies(ACCEPTED, short)) as gateway:
        run = started(shell, gateway.url)
        with pytest.raises(RemoteLinkError, match="should have 7"):
            shell.do(run.follow())


def test_an_end_made_of_other_entries_is_told(shell: Shell) -> None:
    """INV-L2: the hash proves the entries themselves, not only how many there are."""
    forged = stream(event(1, text="forged"), event(2, "result", fields={"count": 1, "sha256": digest(2)}))
    with serving(replies(ACCEPTED, forged)) as gateway:
        run = started(shell, gateway.url)
        with pytest.raises(RemoteLinkError, match="made of"):
            shell.do(run.follow())


def test_an_end_without_a_result(shell: Shell) -> None:
    """A journal whose result is gone (a purged run) still ends; one that says it has more is asked for again."""
    early = stream(journal(1), end(3))
    whole = stream(journal(2), journal(3), end(3))
    with serving(replies(ACCEPTED, early, whole)) as gateway:
        entries = shell.do(started(shell, gateway.url).follow())
    assert [entry.seq for entry in entries] == [1, 2, 3]


def test_a_gateway_that_restarts_is_waited_for(shell: Shell) -> None:
    """Down (503), then away (cut), then back with the rest."""
    rest = stream(*(journal(seq) for seq in range(4, END + 1)))
    first = stream(*(journal(seq) for seq in range(1, 4)), is_cut=True)
    with serving(replies(ACCEPTED, first, problem(503, "UNAVAILABLE"), CUT, rest)) as gateway:
        entries = shell.do(started(shell, gateway.url).follow())
    assert [entry.seq for entry in entries] == list(range(1, END + 1))


def test_a_gateway_that_stays_away_is_given_up(shell: Shell) -> None:
    with serving(replies(ACCEPTED, problem(503, "UNAVAILABLE", retry_after=0))) as gateway:
        run = started(shell, gateway.url, total_s=0.2)
        with pytest.raises(Unavailable):
            shell.do(run.follow())


def test_a_run_that_is_not_there_is_not_found(shell: Shell) -> None:
    with serving(replies(ACCEPTED, problem(404, "NOT_FOUND"))) as gateway:
        run = started(shell, gateway.url)
        with pytest.raises(NotFound):
            shell.do(run.follow())


def test_entries_come_while_the_stream_lives(shell: Shell) -> None:
    """The second entry is only written after the first was read: nothing is held back."""

    def pieces() -> Iterator[bytes]:
        yield journal(1)
        yield b": quiet\n\n"
        yield journal(2)
        while True:  # the reader leaves; the next write then fails, which ends the conversation
            yield b": quiet\n\n"

    def script(asked: Asked) -> Reply:
        return ACCEPTED if asked.method == "POST" else Reply(headers=EVENTS, pieces=pieces())

    with serving(script) as gateway:
        taken = shell.take(started(shell, gateway.url).follow(), 2)
    assert [entry.seq for entry in taken] == [1, 2]


def test_following_from_the_middle(shell: Shell) -> None:
    with serving(resuming(lambda after: 4)) as gateway:
        entries = shell.do(started(shell, gateway.url).follow(after=15))
    assert [entry.seq for entry in entries] == list(range(16, END + 1))


def test_the_journal_as_it_stands(shell: Shell) -> None:
    """Pages until one is not full; nothing is waited for."""

    def script(asked: Asked) -> Reply:
        if asked.method == "POST":
            return ACCEPTED
        after = int(re.findall(r"after=(\d+)", asked.path)[0])
        found = [{"seq": seq, "kind": "log", "text": "x"} for seq in range(after + 1, min(after + 1000, 1500) + 1)]
        return Reply(content={"entries": found, "next_after": after + len(found), "ended": False})

    with serving(script) as gateway:
        entries = shell.do(started(shell, gateway.url).journal())
    assert [entry.seq for entry in entries] == list(range(1, 1501))


@given(lengths=st.lists(st.integers(0, 6), min_size=1, max_size=40))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_history_of_cuts_reads_the_same(lengths: list[int]) -> None:
    """INV-L1 under arbitrary cuts, on real sockets."""
    left = iter([*lengths, *[END] * 100])
    with serving(resuming(lambda after: next(left))) as gateway:
        patience = Patience(total_s=5.0, first_pause_s=0.001, longest_pause_s=0.002)
        with Client(gateway.url, "tg_test", patience=patience) as client:
            assert [entry.seq for entry in client.submit("t", 1).follow()] == list(range(1, END + 1))


def test_an_interrupt_leaves_a_client_that_works(shell: Shell) -> None:
    """Ctrl-C in the middle of a silent stream comes out as KeyboardInterrupt; the next call is answered."""
    release = threading.Event()

    def quiet() -> Iterator[bytes]:
        yield journal(1)
        os.kill(os.getpid(), signal.SIGINT)
        release.wait(10)

    def script(asked: Asked) -> Reply:
        return Reply(headers=EVENTS, pieces=quiet()) if asked.path.endswith("/journal") else ACCEPTED

    with serving(script) as gateway:
        client = shell.client(gateway.url)
        run = shell.do(client.submit("t", 1))
        with pytest.raises(KeyboardInterrupt):
            shell.do(run.follow())
        release.set()
        assert shell.do(client.submit("t", 1)).id == "run-1"
