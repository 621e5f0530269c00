"""Every way to say where a server is gives its place, so that no upstream can be there (S10)."""

from __future__ import annotations

import pytest

from taskgate.config import Settings
from taskgate.secret import Url
from taskgate.stores.places import is_readable, places_in, places_of
from taskgate.stores.settings import DatabaseSettings, RedisSettings


@pytest.mark.parametrize(
    ("url", "places"),
    [
        ("postgresql://user:pass@db.internal:6543/name", [("db.internal", 6543)]),
        ("postgresql://db.internal/name?sslmode=require", [("db.internal", 5432)]),
        ("postgresql+asyncpg://u@10.0.0.1/name", [("10.0.0.1", 5432)]),
        ("postgres://u:p%40x@[fd12::7]:5433/name", [("fd12::7", 5433)]),
        ("postgresql://u@one:1,two:2,three/name", [("one", 1), ("two", 2), ("three", 5432)]),
        ("postgresql:///name?host=one,two&port=7,8", [("one", 7), ("two", 8)]),
        ("postgresql:///name?host=/var/run/postgresql", []),
        ("postgresql:///name", []),
        ("redis://:secret@cache:6390/2", [("cache", 6390)]),
        ("rediss://cache", [("cache", 6379)]),
        ("mysql://u:p@past/history", [("past", 3306)]),
        ("mariadb://u:p@past:3307/history", [("past", 3307)]),
        ("sqlite:/var/lib/taskgate", []),
        ("memory:", []),
        ("", []),
    ],
)
def test_places(url: str, places: list[tuple[str, int]]) -> None:
    assert places_of(url) == places
    assert is_readable(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:pa/ss@db/name",
        "postgresql://user:12/ss@db/name",
        "mysql://user:pa?ss@past/history",
        "redis://:pa#ss@cache/0",
        "redis://cache:port/0",
        "mysql://u:p@past:99999/history",
        "postgresql://one:1,two:b/name",
        "rediss://[fd12::7/0",
        "redis://cache:١/0",
    ],
)
def test_what_has_no_one_meaning_is_not_readable(url: str) -> None:
    assert not is_readable(url)


def test_no_url_of_the_settings_is_forgotten() -> None:
    """Sections that come later have URLs of the same type."""
    settings = Settings(
        database=DatabaseSettings(url=Url("postgresql://one/x")), redis=RedisSettings(url=Url("redis://two"))
    )
    assert places_in(settings) == [("one", 5432), ("two", 6379)]
