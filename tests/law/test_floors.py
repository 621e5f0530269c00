"""No library in the lock file is older than the version that fixed what we know of.

Scanners that cannot reach their database say "no known vulnerabilities", so the floors stand here, checked in.
"""

from __future__ import annotations

import tomllib

import apsw

from tests.law.sources import ROOT

FLOORS = {
    "aiohttp": (3, 13, 4),
    "celery": (5, 2, 2),
    "gunicorn": (22,),
    "h11": (0, 16),
    "pyjwt": (2, 13),
}
SQLITE_FLOOR = (3, 51, 3)  # the WAL-reset bug of two connections that checkpoint at once


def numbers(version: str) -> tuple[int, ...]:
    """`3.14.5.post1` -> (3, 14, 5)."""
    parts = []
    for part in version.split("."):
        if not part.isdigit():
            break
        parts.append(int(part))
    return tuple(parts)


def too_old(versions: dict[str, str]) -> dict[str, str]:
    """The packages below their floor."""
    return {
        name: versions[name] for name, floor in FLOORS.items() if name in versions and numbers(versions[name]) < floor
    }


def test_nothing_locked_is_below_its_floor() -> None:
    packages = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    assert too_old({package["name"]: package["version"] for package in packages}) == {}


def test_the_sqlite_inside_apsw_has_the_fix() -> None:
    assert numbers(apsw.sqlite_lib_version()) >= SQLITE_FLOOR


def test_an_old_one_is_seen() -> None:
    assert too_old({"aiohttp": "3.13.3", "h11": "0.16.0"}) == {"aiohttp": "3.13.3"}
