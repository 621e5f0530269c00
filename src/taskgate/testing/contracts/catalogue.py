"""The contract of `Catalogue`: definitions by digest for ever, and which of them are current.

Subclass it with a fixture `catalogue`.
"""

from __future__ import annotations

import msgspec

from taskgate.runs.ports import Catalogue
from taskgate.runs.task import Target, TaskDefinition, TaskLimits, digest_of


def definition(name: str = "text.keywords", **changes: object) -> TaskDefinition:
    """A definition with something in every field."""
    plain = TaskDefinition(
        name=name,
        site_id="site-a",
        version="1",
        description="Schlüsselwörter ✓",
        input_schema=msgspec.Raw(b'{"type":"object", "x": 1.50}'),
        output_schema=msgspec.Raw(b'{"type":"array"}'),
        examples=[msgspec.Raw(b'{"text":"a"}')],
        targets=[Target(labels={"gpu": "yes"}, retries=2, timeout_s=1.5), Target(kind="people", groups=["editors"])],
        limits=TaskLimits(deadline_s=60.0),
        declared=True,
    )
    return msgspec.structs.replace(plain, **changes)


class CatalogueContract:
    """Fixture: `catalogue`, an empty Catalogue."""

    async def test_a_definition_comes_back_as_it_was_saved(self, catalogue: Catalogue) -> None:
        saved = definition()
        await catalogue.save([saved])
        assert await catalogue.load() == [saved]
        found = await catalogue.find(digest_of(saved))
        assert found == saved
        assert found is not None
        assert digest_of(found) == digest_of(saved)

    async def test_an_empty_catalogue_knows_nothing(self, catalogue: Catalogue) -> None:
        await catalogue.save([])
        assert await catalogue.load() == []
        assert await catalogue.find("0" * 32) is None

    async def test_the_newest_saved_of_a_version_is_current(self, catalogue: Catalogue) -> None:
        old, new = definition(description="old"), definition(description="new")
        await catalogue.save([old, new])
        assert await catalogue.load() == [new]
        assert await catalogue.find(digest_of(old)) == old
        await catalogue.save([old])
        assert await catalogue.load() == [old]

    async def test_saving_again_changes_nothing(self, catalogue: Catalogue) -> None:
        await catalogue.save([definition()])
        await catalogue.save([definition(), definition()])
        assert await catalogue.load() == [definition()]

    async def test_sites_names_and_versions_are_apart_and_loaded_in_the_order_of_saving(
        self, catalogue: Catalogue
    ) -> None:
        two, one = definition(version="2"), definition(version="1")
        other, shared = definition("a.first"), definition(site_id="*")
        await catalogue.save([two, one])
        await catalogue.save([other, shared])
        await catalogue.save([two])
        assert await catalogue.load() == [one, other, shared, two]

    async def test_a_removed_definition_is_still_found_by_its_digest(self, catalogue: Catalogue) -> None:
        kept, gone = definition(version="1"), definition(version="2")
        await catalogue.save([kept, gone])
        assert await catalogue.remove("site-a", "text.keywords", version="2") is True
        assert await catalogue.remove("site-a", "text.keywords", version="2") is False
        assert await catalogue.remove("site-b", "text.keywords", version="1") is False
        assert await catalogue.load() == [kept]
        assert await catalogue.find(digest_of(gone)) == gone
