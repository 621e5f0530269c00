"""The contract of `AuditLog`: one chain without a gap, whoever appends; nothing changes but its two ends.

Subclass with a fixture `log`, an empty AuditLog.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from taskgate.audit.chain import Ends, Link, Verifier
from taskgate.audit.entry import Actor, Deed
from taskgate.audit.ports import AuditFilter, AuditLog

AT = 1_800_000_000.0


def deed(number: int = 1, **changes: Any) -> Deed:
    """A deed with something in every field."""
    plain = Deed(
        at=AT + number + 0.123456,
        action="key.create",
        outcome="done",
        actor=Actor(id="key000000001", name="Köln ☃", kind="user", site_id="acme", user_id="u", address="::1"),
        subject=f"subject-{number}",
        request_id=f"r{number}",
        detail={"scopes": ["read"], "n": number, "nested": {"b": None, "a": "\U0001f600"}},
    )
    return replace(plain, **changes)


async def flaws_of(log: AuditLog) -> list[str]:
    """What a verifier says of the whole log."""
    ends = await log.ends()
    verifier = Verifier(ends.checkpoint)
    while page := await log.chain(verifier.place.seq, 7):
        for entry in page:
            verifier.follow(entry)
    verifier.end(ends.head)
    return verifier.flaws


class AuditLogContract:
    """Fixture: `log`."""

    async def test_an_empty_log_is_whole(self, log: AuditLog) -> None:
        assert await log.ends() == Ends()
        assert await log.append([]) == []
        assert await log.chain(0, 9) == []
        assert await log.purge(AT * 2, 9) == 0
        assert await flaws_of(log) == []

    async def test_deeds_come_back_in_order_and_chained(self, log: AuditLog) -> None:
        entries = await log.append([deed(1), deed(2)])
        entries += await log.append([deed(3)])
        assert [entry.seq for entry in entries] == [1, 2, 3]
        assert [entry.deed for entry in entries] == [deed(1), deed(2), deed(3)]
        assert await log.chain(0, 9) == entries
        assert await log.chain(1, 1) == entries[1:2]
        assert (await log.ends()).head == Link(3, entries[-1].hash)
        assert await flaws_of(log) == []

    async def test_many_at_once_make_one_chain(self, log: AuditLog) -> None:
        await asyncio.gather(*(log.append([deed(number), deed(number)]) for number in range(12)))
        assert len(await log.chain(0, 99)) == 24
        assert await flaws_of(log) == []

    @pytest.mark.parametrize(
        ("wanted", "numbers"),
        [
            ({}, [4, 3, 2, 1]),
            ({"limit": 2}, [4, 3]),
            ({"cursor": 3}, [2, 1]),
            ({"action": "run.cancel"}, [2]),
            ({"action": "run"}, []),
            ({"outcome": "begun"}, [3]),
            ({"actor_id": "other"}, [4]),
            ({"subject": "subject-1"}, [1]),
            ({"subject": "' OR '1'='1"}, []),
            ({"at_from": AT + 3.123456}, [4, 3]),
            ({"at_before": AT + 3.123456}, [2, 1]),
        ],
    )
    async def test_filters(self, log: AuditLog, wanted: dict[str, Any], numbers: list[int]) -> None:
        await log.append(
            [deed(1), deed(2, action="run.cancel"), deed(3, outcome="begun"), deed(4, actor=Actor(id="other"))]
        )
        assert [entry.seq for entry in await log.find(AuditFilter(**wanted))] == numbers

    async def test_what_retention_takes_leaves_a_checkpoint(self, log: AuditLog) -> None:
        entries = await log.append([deed(number) for number in (1, 2, 3, 9, 4, 5)])
        assert await log.purge(AT + 6, 2) == 2
        assert await log.purge(AT + 6, 9) == 1
        assert await log.purge(AT + 6, 9) == 0, "an older one behind a newer one stays with it"
        assert (await log.ends()).checkpoint == Link(3, entries[2].hash)
        assert await flaws_of(log) == []
        await log.append([deed(7)])
        assert await log.purge(AT * 2, 99) == 4
        assert await flaws_of(log) == []
        assert (await log.append([deed(8)]))[0].seq == 8
