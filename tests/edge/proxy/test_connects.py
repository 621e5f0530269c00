"""Connects that fail in ways nobody has thought of: one service cannot be called, and everything else goes on."""

from __future__ import annotations

from tests.edge.proxy.stand import Loopback, everything, standing


class Odd(Loopback):
    """Fails on every name with what is neither an error of the network nor one of ours."""

    async def pin(self, host: str, port: int, *, scheme: str, site_id: str) -> tuple[str, ...]:
        raise ValueError(host)


async def test_an_unexpected_failure_is_a_failed_connect_and_no_death_of_a_part() -> None:
    async with standing(pinner=Odd()) as stand:
        upstream = await stand.upstream()
        stand.register(upstream.url, everything())
        assert (await stand.get()).status == 502
        assert stand.plane.tasks.ailment is None
