"""A registration is all or nothing, idempotent, and belongs to its site (INV-P3, F34, INV-A1)."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from taskgate.errors import Conflict, Forbidden, InvalidInput, NotFound, TaskgateError, Unavailable
from taskgate.identity.principal import Principal
from taskgate.routes.policy import Alternative, Fallback, Policy
from tests.flows.routes.place import OPERATOR, SERVICE, STRANGER, Place, document, principal


async def test_a_service_stands_and_everybody_hears_of_it(place: Place) -> None:
    told = await place.register("math", "POST /v1/ai/math/add", "GET /v1/ai/math/{n}")
    assert (told.routes, told.lease_s, told.renew_after_s) == (
        ("POST /v1/ai/math/add", "GET /v1/ai/math/{n}"), 30.0, 10.0
    )  # fmt: skip
    service = place.registry.snapshot.services[0]
    assert (service.name, service.site_id, service.owner, service.shared) == ("math", "acme", "k1", False)
    assert service.registered_at == place.clock.now()
    assert place.published[-1] is place.registry.snapshot
    assert await place.book.load() == [service]
    assert place.world.pinned == [("127.0.0.1", 8082, "http")]


async def test_the_same_again_only_renews(place: Place) -> None:
    await place.register(lease_s=30.0)
    before = place.registry.snapshot
    await place.pass_time(20)
    again = await place.register(lease_s=30.0, by=principal("register", key="another"))
    assert (place.registry.snapshot, place.book.write_count, again.warnings) == (
        before, 1, ("POST /math has no summary and no example",)
    )  # fmt: skip
    await place.pass_time(20)
    assert place.registry.snapshot.away == frozenset()


async def test_another_content_replaces_it_whole(place: Place) -> None:
    await place.register("math", "POST /a", "POST /b")
    first = place.registry.snapshot
    at = place.clock.now()
    place.clock.advance(5)
    await place.register("math", "POST /b", "POST /c")
    assert place.paths() == ["POST /b", "POST /c"]
    assert place.registry.snapshot.services[0].registered_at == at
    assert [one.path for one in first.services[0].routes] == ["/a", "/b"]
    await place.register("other", "POST /a")


BAD: list[tuple[dict[str, Any], type[TaskgateError]]] = [
    ({"base_url": "http://169.254.169.254"}, Forbidden),
    ({"base_url": "file:///etc/passwd"}, InvalidInput),
    ({"document": b"not a document"}, InvalidInput),
    ({"openapi_url": "http://127.0.0.1/openapi.json", "routes": None}, Unavailable),
    ({"policy": Policy(credential="set:KEY")}, Forbidden),
    ({"policy": Policy(fallback=Fallback(to=(Alternative(upstream="http://169.254.1.1"),)))}, Forbidden),
    ({"shared": True}, Forbidden),
    ({"prefix": "/gateway"}, InvalidInput),
]


@pytest.mark.parametrize(("changes", "error"), BAD, ids=[f"{n}-{next(iter(one))}" for n, (one, _) in enumerate(BAD)])
async def test_a_bad_update_changes_nothing(place: Place, changes: dict[str, Any], error: type[TaskgateError]) -> None:
    """INV-P3, F34."""
    await place.register("math", "POST /a")
    before, writes = place.registry.snapshot, place.book.write_count
    with pytest.raises(error):
        await place.register("math", "POST /b", **changes)
    assert place.registry.snapshot is before
    assert place.book.write_count == writes
    await place.register("other", "POST /b")


@pytest.mark.parametrize("route", ["POST /a", "POST /../b", "POST /v1/runs", "BREW /b", "POST /other"])
async def test_neither_does_one_bad_route_among_good_ones(place: Place, route: str) -> None:
    await place.register("math", "POST /a")
    await place.register("other", "POST /other")
    before = place.registry.snapshot
    with pytest.raises(TaskgateError):
        await place.register("math", "POST /c", "POST /a", route)
    assert place.registry.snapshot is before


async def test_a_store_that_is_away_changes_nothing(place: Place) -> None:
    await place.register("math", "POST /a")
    before = place.registry.snapshot
    place.book.is_away = True
    with pytest.raises(Unavailable):
        await place.register("math", "POST /b")
    with pytest.raises(Unavailable):
        await place.registry.withdraw(SERVICE, "math")
    assert place.registry.snapshot is before
    place.book.is_away = False
    await place.register("other", "POST /b")


async def test_a_caller_that_hangs_up_leaves_no_half(place: Place) -> None:
    """What was begun is finished: book and memory agree."""
    place.book.hold = asyncio.Event()
    asking = asyncio.create_task(place.register())
    await place.book.writing.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    place.book.hold.set()
    await place.registry.stop()
    assert await place.book.load() == list(place.registry.snapshot.services)
    assert len(place.registry.snapshot.services) == 1


async def test_of_two_at_once_the_first_wins(place: Place) -> None:
    place.book.hold = asyncio.Event()
    first = asyncio.create_task(place.register("one", "POST /a"))
    await place.book.writing.wait()
    second = asyncio.create_task(place.register("two", "POST /a"))
    await asyncio.sleep(0)
    place.book.hold.set()
    await first
    with pytest.raises(Conflict):
        await second
    assert [one.name for one in place.registry.snapshot.services] == ["one"]


async def test_a_conflict_names_the_owner_that_the_caller_may_know(place: Place) -> None:
    await place.register("math", "POST /v1/ai/{n}")
    with pytest.raises(Conflict) as same_site:
        await place.register("thief", "POST /b", "POST /v1/ai/{other}")
    extra = same_site.value.extra
    assert (extra["owner"], extra["method"], extra["gateway_path"]) == ("math", "POST", "/v1/ai/{other}")
    assert "math" in same_site.value.detail
    with pytest.raises(Conflict) as other_site:
        await place.register("thief", "POST /v1/ai/{other}", by=STRANGER)
    assert other_site.value.extra["owner"] == ""
    assert "math" not in other_site.value.detail


async def test_anothers_service_does_not_exist(place: Place) -> None:
    """INV-A1: the same answer as for a service that nobody ever registered."""
    await place.register()

    async def renewed(by: Principal, name: str) -> None:
        place.registry.renew(by, name)

    answers = []
    for name in ("math", "nobody"):
        for act in (place.registry.withdraw, renewed):
            with pytest.raises(NotFound) as refused:
                await act(STRANGER, name)
            answers.append((refused.value.code, refused.value.detail, str(refused.value.extra)))
    assert len(set(answers)) == 1
    assert place.registry.standing.views("globex") == []
    with pytest.raises(Conflict):
        await place.register("math", "POST /other", by=STRANGER)


async def test_an_operator_may_replace_and_withdraw(place: Place) -> None:
    await place.register()
    await place.register("math", "POST /new", by=OPERATOR)
    service = place.registry.standing.services["math"]
    assert (service.site_id, service.shared) == ("ops", True)
    assert [view.service.name for view in place.registry.standing.views("globex")] == ["math"]
    await place.registry.withdraw(OPERATOR, "math")
    assert place.registry.snapshot.services == ()
    assert await place.book.load() == []


async def test_keys_without_the_scope(place: Place) -> None:
    await place.register()
    reader = principal("read", "submit", "serve:*")
    with pytest.raises(Forbidden):
        await place.register("other", by=reader)
    with pytest.raises(Forbidden):
        place.registry.renew(reader, "math")
    with pytest.raises(Forbidden):
        await place.registry.withdraw(reader, "math")


async def test_a_key_with_prefixes_leaves_others_alone(place: Place) -> None:
    """S35: within a site too, a bound key changes nothing outside of its prefixes."""
    await place.register("math", "POST /v1/ai/add")
    bound = principal("register", key="bound", prefixes=("/x",))
    with pytest.raises(Forbidden):
        await place.register("math", "POST /x/a", by=bound)
    with pytest.raises(Forbidden):
        place.registry.renew(bound, "math")
    with pytest.raises(Forbidden):
        await place.registry.withdraw(bound, "math")
    await place.register("mine", "POST /x/a", by=bound)
    await place.registry.withdraw(bound, "mine")


async def test_withdrawn_is_gone_and_free(place: Place) -> None:
    await place.register("math", "POST /a")
    await place.registry.withdraw(SERVICE, "math")
    with pytest.raises(NotFound):
        place.registry.renew(SERVICE, "math")
    await place.register("other", "POST /a", by=STRANGER)


async def test_the_quota_of_services_is_per_site() -> None:
    place = Place(max_services=2)
    await place.register("a")
    await place.register("b")
    await place.register("b", "POST /changed")
    with pytest.raises(Forbidden) as refused:
        await place.register("c")
    assert refused.value.code == "TOO_MANY_SERVICES"
    await place.register("c", by=STRANGER)


async def test_warnings_tell_what_will_surprise(place: Place) -> None:
    policy = Policy(fallback=Fallback(to=(Alternative(service="spare"),)))
    told = await place.register("math", "POST /a", policy=policy)
    assert told.warnings[0] == "POST /a has no summary and no example"
    assert told.warnings[1] == "there is no service spare to fall back to"
    assert "unless its lease is renewed" in told.warnings[2]
    await place.register("spare", "POST /b")
    told = await place.register("math", "POST /a", policy=policy, lease_s=0.0)
    assert (told.renew_after_s, len(told.warnings)) == (0.0, 1)


async def test_a_document_that_comes_along_makes_the_routes(place: Place) -> None:
    data = document("/items", "/items/{id}")
    await place.register("shop", routes=None, document=data, prefix="/shop")
    assert place.paths("shop") == ["GET /shop/items", "GET /shop/items/{id}"]
    assert place.registry.snapshot.services[0].document == data
    assert msgspec.json.decode(data)["openapi"] == "3.1.0"
