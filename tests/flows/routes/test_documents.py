"""Fetched documents: looked at again and again; a bad one keeps the last good one and says so."""

from __future__ import annotations

from typing import Any

import pytest

from taskgate.errors import Forbidden, InvalidInput, TooLarge, Unavailable
from tests.flows.routes.place import SERVICE, STRANGER, Place, broken, document, principal

URL = "http://127.0.0.1:8082/openapi.json"


async def registered(place: Place, **changes: Any) -> None:
    place.world.documents.setdefault(URL, document("/a"))
    await place.register("shop", routes=None, openapi_url=URL, lease_s=0.0, **changes)


async def look_again(place: Place) -> None:
    place.clock.advance(60.0)
    await place.registry.refresh()


async def test_routes_follow_the_document(place: Place) -> None:
    await registered(place, prefix="/shop")
    assert place.paths("shop") == ["GET /shop/a"]
    await place.registry.refresh()
    place.world.documents[URL] = document("/a", "/b")
    await look_again(place)
    assert place.paths("shop") == ["GET /shop/a", "GET /shop/b"]
    assert (await place.book.load())[0].document == document("/a", "/b")
    assert place.published[-1] is place.registry.snapshot


async def test_a_document_that_stays_is_no_news(place: Place) -> None:
    await registered(place)
    heard, writes = len(place.published), place.book.write_count
    await place.registry.refresh()
    for _ in range(3):
        await look_again(place)
    await place.registry.refresh()
    assert (len(place.published), place.book.write_count) == (heard, writes)
    assert len(place.world.fetched) == 4


@pytest.mark.parametrize(
    "bad",
    [Unavailable("nobody answers"), Forbidden("moved", code="ADDRESS_FORBIDDEN"), broken(), b"<html>", b"{}",
     document("/gateway"), b" " * (5 << 20)],
    ids=["away", "forbidden", "broken", "html", "empty", "nothing-to-serve", "large"],
)  # fmt: skip
async def test_the_last_good_one_stays(place: Place, bad: bytes | Exception) -> None:
    await registered(place)
    await place.registry.refresh()
    before = place.registry.snapshot.services
    place.world.documents[URL] = bad
    await look_again(place)
    assert place.registry.snapshot.services == before
    assert place.registry.snapshot.stale == {"shop"}
    trouble = place.registry.standing.views(None)[0].trouble
    assert trouble is not None
    since = place.clock.now()
    assert (trouble.since, bool(trouble.error)) == (since, True)
    await look_again(place)
    again = place.registry.standing.views(None)[0].trouble
    assert again is not None
    assert again.since == since
    place.world.documents[URL] = document("/a")
    await look_again(place)
    assert place.registry.snapshot.stale == frozenset()


async def test_a_fresh_document_keeps_within_the_rights_of_its_key(place: Place) -> None:
    """S35: neither another's path nor one outside of the key's prefixes comes in by the back door."""
    bound = principal("register", prefixes=("/mine",))
    place.world.documents[URL] = document("/mine/a")
    await registered(place, by=bound)
    await place.register("other", "GET /taken", by=STRANGER)
    await place.registry.refresh()
    for path in ("/yours", "/{x}", "/v1/runs"):
        place.world.documents[URL] = document("/mine/a", path)
        await look_again(place)
        assert place.paths("shop") == ["GET /mine/a"]
    place.world.documents[URL] = document("/mine/a", "/mine/b")
    await look_again(place)
    assert place.paths("shop") == ["GET /mine/a", "GET /mine/b"]


async def test_nor_a_path_of_another_service(place: Place) -> None:
    await registered(place)
    await place.register("other", "GET /taken", by=STRANGER)
    await place.registry.refresh()
    place.world.documents[URL] = document("/a", "/taken")
    await look_again(place)
    assert place.paths("shop") == ["GET /a"]
    assert place.registry.snapshot.stale == {"shop"}


async def test_a_lapsed_lease_is_not_renewed_by_a_document(place: Place) -> None:
    place.world.documents[URL] = document("/a")
    await place.register("shop", routes=None, openapi_url=URL, lease_s=30.0)
    await place.registry.refresh()
    place.world.documents[URL] = document("/b")
    await look_again(place)
    await place.registry.sweep()
    assert place.paths("shop") == ["GET /b"]
    assert place.registry.snapshot.away == {"shop"}


async def test_explicit_routes_need_no_document(place: Place) -> None:
    told = await place.register("math", "POST /a", openapi_url=URL)
    assert told.warnings[0].startswith("the document could not be fetched")
    assert place.registry.snapshot.stale == {"math"}
    place.world.documents[URL] = document("/whatever")
    await place.registry.refresh()
    await look_again(place)
    assert place.paths() == ["POST /a"]
    assert place.registry.snapshot.services[0].document == document("/whatever")
    assert place.registry.snapshot.stale == frozenset()


async def test_registering_again_while_it_is_away_keeps_the_last_good_one(place: Place) -> None:
    await registered(place)
    place.world.documents[URL] = Unavailable("nobody answers")
    told = await place.register("shop", routes=None, openapi_url=URL, lease_s=30.0)
    assert told.warnings[0].startswith("the document could not be fetched")
    assert place.paths("shop") == ["GET /a"]
    assert place.registry.snapshot.stale == {"shop"}


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (Unavailable("x"), Unavailable),
        (broken(), InvalidInput),
        (Forbidden("x"), Forbidden),
        (b" " * (5 << 20), TooLarge),
    ],
)
async def test_without_a_good_one_there_is_nothing_to_register(
    place: Place, bad: bytes | Exception, error: type[Exception]
) -> None:
    place.world.documents[URL] = bad
    with pytest.raises(error):
        await place.register("shop", routes=None, openapi_url=URL)
    assert place.registry.snapshot.services == ()


async def test_an_address_that_may_not_be_reached_refuses_explicit_routes_too(place: Place) -> None:
    place.world.documents[URL] = Forbidden("never", code="ADDRESS_FORBIDDEN")
    with pytest.raises(Forbidden):
        await place.register("math", "POST /a", openapi_url=URL)


async def test_a_service_that_left_meanwhile_is_not_brought_back(place: Place) -> None:
    await registered(place)
    await place.registry.refresh()
    place.world.documents[URL] = document("/b")
    fetch = place.world.fetch

    async def leaving(url: str, *, site_id: str) -> bytes:
        await place.registry.withdraw(SERVICE, "shop")
        return await fetch(url, site_id=site_id)

    place.world.fetch = leaving  # type: ignore[method-assign]
    await look_again(place)
    assert place.registry.snapshot.services == ()
    assert await place.book.load() == []


async def test_a_document_that_fails_as_nobody_expected_ends_nothing(place: Place) -> None:
    await registered(place)
    await place.registry.refresh()
    place.world.documents[URL] = ZeroDivisionError("what a library raised")
    await look_again(place)
    assert place.paths("shop") == ["GET /a"]
    assert place.registry.snapshot.stale == {"shop"}
