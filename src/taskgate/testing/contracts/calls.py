"""The contract of `CallRecords`: whole records of calls, newest first, by tenant.

Subclass it with a fixture `calls`.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from taskgate.routes.records import CallAttempt, CallFilter, CallRecord, CallRecords, Passage
from taskgate.testing.stage import numbered_id


def call(number: int = 1, **changes: Any) -> CallRecord:
    """A record with something in every field; its id and its moment sort by `number`."""
    passage = Passage(headers=(("content-type", "text/plain"), ("x-a", "Köln")), body="añb", body_bytes=4)
    tries = [
        CallAttempt(number=1, upstream="http://a", started_at=1.0, ended_at=2.0, error="UPSTREAM_BROKEN",
                    moved_on_because="connect"),
        CallAttempt(number=2, upstream="http://b", started_at=2.0, ended_at=3.5, status=200, response=passage),
    ]  # fmt: skip
    plain = CallRecord(
        id=numbered_id(number),
        request_id=f"request-{number}",
        site_id="site-a",
        user_id="u1",
        principal="key000000001",
        service="math",
        route="add",
        method="POST",
        target="/math/add?x=1",
        started_at=1000.0 + number,
        ended_at=1003.5 + number,
        status=200,
        request=replace(passage, encoding="base64"),
        attempts=tuple(tries),
    )
    return replace(plain, **changes)


async def found(calls: CallRecords, **wanted: Any) -> list[str]:
    """The ids of what is found, for one site unless said otherwise."""
    return [record.id for record in await calls.find(CallFilter(**{"site_id": "site-a", **wanted}))]


class CallRecordsContract:
    """Fixture: `calls`, empty CallRecords."""

    async def test_a_record_comes_back_as_it_was_kept(self, calls: CallRecords) -> None:
        await calls.append([call()])
        assert await calls.find(CallFilter(site_id="site-a")) == [call()]

    async def test_nothing_is_kept_of_nothing(self, calls: CallRecords) -> None:
        await calls.append([])
        assert await found(calls) == []

    async def test_the_same_id_again_changes_nothing(self, calls: CallRecords) -> None:
        await calls.append([call()])
        await calls.append([call(status=500), call(2)])
        kept = await calls.find(CallFilter(site_id="site-a"))
        assert [record.status for record in kept] == [200, 200]

    async def test_newest_first_page_by_page(self, calls: CallRecords) -> None:
        await calls.append([call(number) for number in range(300)])
        pages: list[str] = []
        while page := await found(calls, limit=70, cursor=pages[-1] if pages else ""):
            pages += page
        assert pages == [numbered_id(number) for number in reversed(range(300))]

    async def test_inv_a1_a_site_sees_its_own_calls(self, calls: CallRecords) -> None:
        await calls.append([call(1), call(2, site_id="site-b"), call(3, user_id="u2")])
        assert await found(calls) == [numbered_id(3), numbered_id(1)]
        assert await found(calls, site_id="site-b") == [numbered_id(2)]
        assert await found(calls, site_id=None) == [numbered_id(3), numbered_id(2), numbered_id(1)]
        assert await found(calls, user_id="u1") == [numbered_id(1)]
        assert await found(calls, request_id="request-2") == []
        assert await found(calls, request_id="request-2", site_id=None) == [numbered_id(2)]
        assert await found(calls, request_id="request-3", user_id="u1") == []

    @pytest.mark.parametrize(
        ("wanted", "numbers"),
        [
            ({"service": "math"}, [3, 1]),
            ({"route": "add"}, [2, 1]),
            ({"status": 503}, [2]),
            ({"status": 0}, [3]),
            ({"status_class": 5}, [2]),
            ({"status_class": 2}, [1]),
            ({"request_id": "request-3"}, [3]),
            ({"service": "math", "route": "add", "status": 200, "limit": 1}, [1]),
            ({"service": "none"}, []),
            ({"id": numbered_id(2)}, [2]),
            ({"id": numbered_id(2), "user_id": "u2"}, []),
            ({"id": numbered_id(2), "site_id": "site-b"}, []),
        ],
    )
    async def test_what_is_asked_for_is_found(
        self, calls: CallRecords, wanted: dict[str, Any], numbers: list[int]
    ) -> None:
        await calls.append([call(1), call(2, service="text", status=503), call(3, route="mul", status=0)])
        assert await found(calls, **wanted) == [numbered_id(number) for number in numbers]

    async def test_old_records_go_oldest_first(self, calls: CallRecords) -> None:
        await calls.append([call(number) for number in range(10)])
        assert await calls.purge(1006.0, 4) == 4
        assert await found(calls) == [numbered_id(number) for number in (9, 8, 7, 6, 5, 4)]
        assert await calls.purge(1006.0, 100) == 2
        assert await calls.purge(1006.0, 100) == 0
        assert await found(calls) == [numbered_id(number) for number in (9, 8, 7, 6)]
