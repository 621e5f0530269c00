"""A secret of the gateway in a file of its own, made at the first start and readable by its owner alone.

It is never in a database, so that a copy of one gives nobody the power to sign. Losing the file ends every token and
costs every service a new registration, nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from taskgate.errors import StoreError


class SecretFile:
    """A part: at its start `use` is given the secret. StoreError when the file cannot be read, made, or is cut off."""

    def __init__(self, path: Path, use: Callable[[bytes], None], *, size: int) -> None:
        self._path = path
        self._use = use
        self._size = size

    async def start(self) -> None:
        self._use(await asyncio.to_thread(self._kept))

    async def stop(self) -> None:
        """Nothing is held."""

    def _kept(self) -> bytes:
        try:
            if not self._path.exists():
                self._make()
            found = bytes.fromhex(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError) as error:
            raise StoreError(f"{self._path} cannot be read: {error}", code="SECRET_FILE") from error
        if len(found) != self._size:
            raise StoreError(f"{self._path} is no whole secret; delete it, and register services again")
        return found

    def _make(self) -> None:
        """Written under another name and linked when it is whole: a crash leaves none, a second maker loses."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(self._size) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(fresh, self._path)
        fresh.unlink()
