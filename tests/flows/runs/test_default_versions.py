"""Which version callers get who name none: the declared one, whatever workers offer, now and after a restart."""

from __future__ import annotations

from taskgate.identity.principal import Principal
from taskgate.runs.definitions import Definitions
from taskgate.runs.task import Target, TaskDefinition
from taskgate.wire.messages import TaskOffer
from tests.flows.runs.house import House

OPERATOR = Principal(id="op", name="op", scopes=frozenset({"admin", "serve:*", "tasks:write"}))
OF_SITE = Principal(id="one", name="one", scopes=frozenset({"tasks:write"}), site_id="acme")


async def declare(house: House, version: str, *, by: Principal = OPERATOR) -> None:
    definition = TaskDefinition(name="job", version=version, targets=[Target(kind="workers", retries=7)])
    await house.gateway.declarations.declare(by, definition)


async def offer(house: House, version: str, *, site: str = "acme") -> None:
    assert await house.gateway.declarations.offered(site, [TaskOffer(name="job", version=version)]) == {}


async def defaults(house: House) -> set[str]:
    """The default as it is now, as lists tell it, and as the next start finds it."""
    reread = Definitions(house.gateway.stores.catalogue)
    await reread.reread()
    found = set[str]()
    for definitions in (house.gateway.definitions, reread):
        known = definitions.known("acme", "job")
        assert known is not None
        (listed,) = [one for one in definitions.visible("acme") if one.name == "job"]
        found |= {known.definition.version, listed.version}
    return found


async def test_a_hello_does_not_change_the_declared_default(house: House) -> None:
    await declare(house, "1")
    for site in ("acme", "*"):
        await offer(house, "2", site=site)
    assert await defaults(house) == {"1"}
    named = house.gateway.definitions.known("acme", "job", version="2")
    assert named is not None  # who names it gets it
    assert named.definition.version == "2"


async def test_a_task_without_a_version_stays_the_declared_one(house: House) -> None:
    await declare(house, "")
    await offer(house, "2", site="*")
    assert await defaults(house) == {""}


async def test_what_was_offered_before_gives_way(house: House) -> None:
    for site in ("acme", "*"):
        await offer(house, "2", site=site)
    assert await defaults(house) == {"2"}
    await declare(house, "1")
    assert await defaults(house) == {"1"}
    await declare(house, "3")
    assert await defaults(house) == {"3"}  # of declared ones the newest
    await declare(house, "1")
    assert await defaults(house) == {"1"}


async def test_a_sites_own_declaration_comes_before_the_shared_one(house: House) -> None:
    await declare(house, "own", by=OF_SITE)
    await declare(house, "shared")
    await offer(house, "2")
    assert await defaults(house) == {"own"}


async def test_without_a_declaration_the_newest_offer_counts(house: House) -> None:
    for version in ("1", "2"):
        await offer(house, version)
    assert await defaults(house) == {"2"}
    await declare(house, "1")
    await house.gateway.declarations.withdraw(OPERATOR, "job", version="1")
    assert await defaults(house) == {"2"}
