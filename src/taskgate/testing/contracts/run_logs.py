"""The contract of `RunLogs`: what is stored is a prefix of what is uploaded, whoever repeats, races or lies.

Subclass it with fixtures `logs` and `small_logs` (of `SMALL_BYTES` a log).
"""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from taskgate.journal.pieces import MAX_LOGS, LogName, Piece, RunLog, Taken
from taskgate.journal.ports import RunLogs
from taskgate.testing.stage import numbered_id

SMALL_BYTES = 1000
RUN = numbered_id(1)
OUT = LogName(RUN, 1, "build.log")
OTHER = LogName(RUN, 2, "build.log")


def piece(content: bytes, offset: int = 0, *, log: LogName = OUT) -> Piece:
    """A piece of a log."""
    return Piece(log=log, offset=offset, content=content, writer="w1")


def closing(content: bytes, *, log: LogName = OUT) -> RunLog:
    """What closes a log of this content."""
    return RunLog(log=log, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest(), writer="w1")


async def whole(logs: RunLogs, log: LogName = OUT, *, step: int = 4096) -> bytes:
    """Everything that is stored of a log."""
    found = b""
    while part := await logs.content(log, len(found), limit=step):
        found += part
    return found


class RunLogsContract:
    """Fixtures: `logs` and `small_logs`, empty RunLogs."""

    async def test_pieces_in_order_are_the_log(self, logs: RunLogs) -> None:
        taken, log = await logs.write(piece(b"one\n"))
        assert (taken, log and log.size_bytes) == (Taken.STORED, 4)
        taken, log = await logs.write(piece("zwei ü\n".encode(), 4))
        assert (taken, log and log.size_bytes) == (Taken.STORED, 12)
        assert await whole(logs) == "one\nzwei ü\n".encode()
        assert [(one.log, one.size_bytes, one.writer) for one in await logs.find(RUN)] == [(OUT, 12, "w1")]

    async def test_g10_a_repeated_piece_is_a_success_and_adds_nothing(self, logs: RunLogs) -> None:
        for content, offset in ((b"aaaa", 0), (b"bbbb", 4), (b"cc", 8)):
            await logs.write(piece(content, offset))
        for content, offset in ((b"aaaa", 0), (b"bbbb", 4), (b"abbb", 3), (b"aaaabbbbcc", 0), (b"", 10)):
            taken, log = await logs.write(piece(content, offset))
            assert (taken, log and log.size_bytes) == (Taken.REPEATED, 10), content
        assert await whole(logs, step=3) == b"aaaabbbbcc"

    async def test_g10_a_piece_that_overlaps_adds_what_is_new(self, logs: RunLogs) -> None:
        await logs.write(piece(b"aaaa"))
        taken, log = await logs.write(piece(b"aabb", 2))
        assert (taken, log and log.size_bytes) == (Taken.STORED, 6)
        assert await whole(logs) == b"aaaabb"

    async def test_a_gap_is_refused(self, logs: RunLogs) -> None:
        assert (await logs.write(piece(b"b", 1)))[0] is Taken.GAP
        assert await logs.find(RUN) == []
        await logs.write(piece(b"aa"))
        taken, log = await logs.write(piece(b"c", 3))
        assert (taken, log and log.size_bytes) == (Taken.GAP, 2)
        assert await whole(logs) == b"aa"

    async def test_other_bytes_at_a_place_that_is_taken_are_refused(self, logs: RunLogs) -> None:
        await logs.write(piece(b"aaaa"))
        for content, offset in ((b"x", 0), (b"abx", 2), (b"xaaaa", 3), (b"axbb", 2)):
            assert (await logs.write(piece(content, offset)))[0] is Taken.DIFFERS, content
        assert await whole(logs) == b"aaaa"

    async def test_two_uploaders_never_mix_their_bytes(self, logs: RunLogs) -> None:
        """Each stops where it is refused."""
        size = 300

        async def upload(letter: bytes) -> int:
            for at in range(8):
                taken, _ = await logs.write(piece(letter * size, at * size))
                if taken not in (Taken.STORED, Taken.REPEATED):
                    return at
            return 8

        ends = await asyncio.gather(upload(b"a"), upload(b"b"), upload(b"a"))
        assert await whole(logs) in (b"a" * size * 8, b"b" * size * 8)
        assert sorted(ends) in ([0, 8, 8], [0, 0, 8])

    async def test_what_is_read_begins_and_ends_where_it_was_asked(self, logs: RunLogs) -> None:
        for at in range(10):
            await logs.write(piece(b"%d" % at * 10, at * 10))
        assert await logs.content(OUT, 5, limit=10) == b"0000011111"
        assert await logs.content(OUT, 95, limit=100) == b"99999"
        assert await logs.content(OUT, 100, limit=10) == b""
        assert await logs.content(OUT, 10**12, limit=10) == b""
        assert await logs.content(OTHER, 0, limit=10) == b""

    async def test_closing_is_for_exactly_this_size_and_once(self, logs: RunLogs) -> None:
        await logs.write(piece(b"aaaa"))
        assert await logs.close(closing(b"aaa")) is None
        closed = await logs.close(closing(b"aaaa"))
        assert closed is not None
        assert (closed.is_closed, closed.size_bytes, closed.sha256) == (True, 4, closing(b"aaaa").sha256)
        assert await logs.close(closing(b"aaaa")) == closed
        assert await logs.close(closing(b"bbbb")) is None
        assert await logs.find(RUN) == [closed]

    async def test_a_closed_log_never_changes(self, logs: RunLogs) -> None:
        await logs.write(piece(b"aaaa"))
        await logs.close(closing(b"aaaa"))
        assert (await logs.write(piece(b"b", 4)))[0] is Taken.CLOSED
        assert (await logs.write(piece(b"aaaa")))[0] is Taken.REPEATED
        assert await whole(logs) == b"aaaa"

    async def test_an_empty_log_can_be_closed(self, logs: RunLogs) -> None:
        closed = await logs.close(closing(b""))
        assert closed is not None
        assert closed.is_closed
        assert (await logs.write(piece(b"a")))[0] is Taken.CLOSED

    async def test_each_attempt_has_logs_of_its_own(self, logs: RunLogs) -> None:
        await logs.write(piece(b"first"))
        await logs.write(piece(b"second", log=OTHER))
        await logs.write(piece(b"foreign", log=LogName(numbered_id(2), 1, "build.log")))
        assert [one.log for one in await logs.find(RUN)] == [OUT, OTHER]
        assert (await whole(logs), await whole(logs, OTHER)) == (b"first", b"second")

    async def test_a_log_is_bounded(self, small_logs: RunLogs) -> None:
        assert (await small_logs.write(piece(b"a" * 900)))[0] is Taken.STORED
        assert (await small_logs.write(piece(b"b" * 101, 900)))[0] is Taken.FULL
        assert (await small_logs.write(piece(b"b" * 100, 900)))[0] is Taken.STORED
        assert len(await whole(small_logs)) == SMALL_BYTES

    async def test_a_run_has_so_many_logs_and_no_more(self, logs: RunLogs) -> None:
        for number in range(MAX_LOGS):
            await logs.write(piece(b"a", log=LogName(RUN, 1, f"log-{number}")))
        assert (await logs.write(piece(b"a", log=LogName(RUN, 1, "one-more"))))[0] is Taken.TOO_MANY
        assert (await logs.write(piece(b"b", 1, log=LogName(RUN, 1, "log-0"))))[0] is Taken.STORED
        assert len(await logs.find(RUN)) == MAX_LOGS

    async def test_logs_go_with_their_runs(self, logs: RunLogs) -> None:
        kept = LogName(numbered_id(2), 1, "build.log")
        for log in (OUT, OTHER, kept):
            await logs.write(piece(b"abc", log=log))
        await logs.purge([RUN, numbered_id(3)])
        await logs.purge([])
        assert (await logs.find(RUN), await whole(logs), await whole(logs, kept)) == ([], b"", b"abc")
        assert (await logs.write(piece(b"anew")))[0] is Taken.STORED

    @pytest.mark.parametrize("stream", ["a", "x" * 64, "naïve", "a'; DROP TABLE run_logs; --", "100%_of.it"])
    async def test_a_name_is_a_name_and_nothing_else(self, logs: RunLogs, stream: str) -> None:
        log = LogName(RUN, 1, stream)
        await logs.write(piece(b"abc", log=log))
        assert [one.log for one in await logs.find(RUN)] == [log]
