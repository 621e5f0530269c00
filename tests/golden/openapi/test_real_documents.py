"""Real documents of many makers and versions, alone and together: nothing is lost, everything is valid."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskgate.routes.openapi.merging import merge, operations_of
from taskgate.routes.openapi.reading import read_document
from tests.golden.openapi.documents import EXPECTED, GOLDEN, HERE, NAMES, OWN, check, merged, names_of, piece_named
from tests.golden.openapi.writing import read_golden


@pytest.mark.parametrize("version", ["3.1", "3.2"])
@pytest.mark.parametrize("name", NAMES)
def test_each_alone(name: str, version: str) -> None:
    document = merged(name, version=version)
    check(document, version=version)
    told = read_document((HERE / "sources" / name).read_bytes())
    assert len(operations_of(document)) == len(told.operations) > 0


@pytest.mark.parametrize("version", ["3.1", "3.2"])
def test_all_together(version: str) -> None:
    document = merged(*NAMES, version=version)
    check(document, version=version)
    alone = sum(len(operations_of(merged(name))) for name in NAMES)
    assert len(operations_of(document)) == alone


@settings(max_examples=25, deadline=None)
@given(st.permutations(NAMES), st.integers(0, len(NAMES)))
def test_any_of_them_in_any_order(order: list[str], count: int) -> None:
    """The order does not matter, and nobody's names depend on who else is there."""
    some = order[:count]
    together = merge(OWN, [piece_named(name) for name in some])
    assert names_of(together) == names_of(merge(OWN, [piece_named(name) for name in sorted(some)]))
    alone = "".join(names_of(merge(OWN, [piece_named(name)])) for name in some)
    assert sorted(names_of(together).split()) == sorted(alone.split())


def test_names_are_stable() -> None:
    """SDKs were generated from these names."""
    assert names_of(merged(*NAMES)) == (EXPECTED / "names.txt").read_text()


@pytest.mark.parametrize("name", GOLDEN)
def test_what_is_read(name: str) -> None:
    assert read_golden(name) == (EXPECTED / f"{name.rpartition('.')[0]}.json").read_text()


def test_examples_stand_where_none_was_given() -> None:
    document = merged("petstore-2.0.json")
    pet = document["paths"]["/petstore-2-0-json/pet"]["post"]
    assert pet["requestBody"]["content"]["application/json"]["example"]["name"] == "doggie"
