"""From a door's settings to its certificates: none where no file is named.

Any section of settings that has the three paths is a door; who asks says what the section is called, so that an error
can name the setting that is wrong.
"""

from __future__ import annotations

from typing import Protocol

from taskgate.clock import Clock
from taskgate.tls.pairs import Files, read_pair
from taskgate.tls.watching import Certificates


class Door(Protocol):
    """What the settings of a door say of TLS."""

    @property
    def tls_cert_path(self) -> str: ...

    @property
    def tls_key_path(self) -> str: ...

    @property
    def tls_ca_path(self) -> str: ...


def files_of(section: str, door: Door) -> Files | None:
    """The files that the settings of this section name."""
    files = Files(section=section, cert_path=door.tls_cert_path, key_path=door.tls_key_path, ca_path=door.tls_ca_path)
    return files if files.paths else None


def certificates_of(section: str, door: Door, *, clock: Clock) -> Certificates | None:
    """The watched certificates of a door; InvalidInput when they cannot serve."""
    files = files_of(section, door)
    return None if files is None else Certificates(files, clock)


def check_door(section: str, door: Door) -> None:
    """InvalidInput (SETTINGS_INVALID) when the files cannot serve: away, unreadable, of another pair, locked."""
    files = files_of(section, door)
    if files is not None:
        read_pair(files)
