"""A secret in a file: made once, for its owner alone, refused when it is not whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskgate.errors import StoreError
from taskgate.stores.secret_file import SecretFile


async def kept(path: Path) -> bytes:
    found: list[bytes] = []
    file = SecretFile(path, found.append, size=32)
    await file.start()
    await file.stop()
    return found[0]


async def test_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "identity.secret"
    first = await kept(path)
    assert len(first) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert await kept(path) == first
    assert await kept(tmp_path / "other") != first


@pytest.mark.parametrize("text", ["", "abc", "zz" * 32, "ab" * 31])
async def test_what_is_not_whole_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "identity.secret"
    path.write_text(text)
    with pytest.raises(StoreError, match=r"identity\.secret"):
        await kept(path)
