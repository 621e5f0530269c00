"""The contract of `ServiceBook`: services by name, kept whole, in the order of their first registration.

Subclass it with a fixture `service_book`, and with `leadership` on the same store.
"""

from __future__ import annotations

import msgspec
import pytest

from taskgate.errors import Unavailable
from taskgate.routes.policy import Alternative, Fallback, Policy, RateLimit, Timeouts
from taskgate.routes.ports import ServiceBook, Turn
from taskgate.routes.service import Route, Service, digest_of
from taskgate.runs.ports import Leadership


def service(name: str = "math", **changes: object) -> Service:
    """A service with something in every field."""
    plain = Service(
        name=name,
        base_url="https://math.example/api",
        site_id="site-a",
        shared=True,
        owner="key000000001",
        prefix="/v1/ai/math",
        routes=(
            Route(
                name="add",
                method="POST",
                path="/v1/ai/math/add",
                upstream_path="/add",
                summary="Zwei Zahlen ✓",
                request_example=msgspec.Raw(b'{"a": 1.50}'),
                response_example=msgspec.Raw(b"null"),
                policy=Policy(scope="read", timeouts=Timeouts(connect_s=1.5)),
            ),
            Route(name="later", method="*", path="/v1/ai/math/{kind}", task="math.power", wait_s=2.5),
        ),
        document=b'{"openapi": "3.1.0"}\n\xff\x00',
        openapi_url="https://math.example/openapi.json",
        policy=Policy(
            rate_limits=(RateLimit(rate=1.0, burst=2.0, per="tenant"),),
            fallback=Fallback(on=("connect",), to=(Alternative(service="spare"), Alternative(task="math.add"))),
        ),
        lease_s=0.0,
        registered_at=1_700_000_000.25,
        follows_document=True,
    )
    return msgspec.structs.replace(plain, **changes)


class ServiceBookContract:
    """Fixtures: `service_book`, an empty ServiceBook, and `leadership`, which gives its turns."""

    async def test_a_service_comes_back_as_it_was_saved(self, service_book: ServiceBook) -> None:
        bare = Service(name="bare", base_url="http://127.0.0.1:8082")
        await service_book.save(service())
        await service_book.save(bare)
        loaded = await service_book.load()
        assert loaded == [service(), bare]
        assert [digest_of(one) for one in loaded] == [digest_of(service()), digest_of(bare)]

    async def test_an_empty_book_loads_nothing(self, service_book: ServiceBook) -> None:
        assert await service_book.load() == []
        assert await service_book.remove("math") is False

    async def test_saving_a_name_again_replaces_it_in_its_place(self, service_book: ServiceBook) -> None:
        for name in ("b", "c", "a"):
            await service_book.save(service(name))
        await service_book.save(service("b", base_url="https://new.example"))
        assert await service_book.load() == [
            service("b", base_url="https://new.example"), service("c"), service("a")
        ]  # fmt: skip

    async def test_a_removed_service_is_gone_and_comes_back_last(self, service_book: ServiceBook) -> None:
        for name in ("b", "c"):
            await service_book.save(service(name))
        assert await service_book.remove("b") is True
        assert await service_book.remove("b") is False
        assert await service_book.load() == [service("c")]
        await service_book.save(service("b"))
        assert [one.name for one in await service_book.load()] == ["c", "b"]

    async def test_names_are_compared_exactly(self, service_book: ServiceBook) -> None:
        await service_book.save(service("math"))
        await service_book.save(service("Math"))
        assert await service_book.remove("MATH") is False
        assert len(await service_book.load()) == 2

    async def test_inv_f5_who_lost_the_turn_changes_nothing(
        self, service_book: ServiceBook, leadership: Leadership
    ) -> None:
        await service_book.save(service("kept"))
        first = Turn("services", await leadership.campaign("services", "one", duration_s=60.0) or 0)
        await service_book.save(service("a"), under=first)
        await leadership.resign("services", "one")
        second = Turn("services", await leadership.campaign("services", "two", duration_s=60.0) or 0)
        for change in (
            service_book.save(service("b"), under=first),
            service_book.save(service("kept", base_url="https://late.example"), under=first),
            service_book.remove("kept", under=first),
            service_book.remove("unknown", under=first),
        ):
            with pytest.raises(Unavailable, match="TURN_LOST"):
                await change
        assert await service_book.load() == [service("kept"), service("a")]
        assert await service_book.remove("a", under=second) is True
        assert await service_book.remove("a", under=second) is False
        await service_book.save(service("b"), under=second)
        assert await service_book.load() == [service("kept"), service("b")]
