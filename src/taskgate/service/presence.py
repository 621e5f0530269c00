"""Who of the processes that serve the same service on this machine is the last to leave.

`uvicorn --workers 4` runs the lifespan four times. Each process holds a shared lock on one small file for as long as
it lives; whoever stops asks for the lock alone and gets it only when no other is left. A killed process holds
nothing. The file has no content and stays; it must never be followed when it is somebody else's link.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from pathlib import Path

from taskgate.service.settings import ServiceSettings

_log = logging.getLogger(__name__)


class Presence:
    """This process among those of its service. Where there are no file locks every process is the last."""

    def __init__(self, settings: ServiceSettings, *, folder: Path | None = None) -> None:
        place = "\n".join((settings.gateway_url, settings.name, settings.base_url))
        name = hashlib.sha256(place.encode()).hexdigest()[:24]
        user = os.getuid() if hasattr(os, "getuid") else 0
        self._path = (folder or Path(tempfile.gettempdir())) / f"taskgate-service-{user}-{name}.lock"
        self._file = -1

    def enter(self) -> None:
        """Be there, until `leave` or the end of the process."""
        try:
            import fcntl

            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
            self._file = os.open(self._path, flags, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except (ImportError, OSError) as error:
            _log.debug("no lock beside the other processes of this service: %s", error)

    def leave(self) -> bool:
        """Go; whether no other process of the service is left here."""
        if self._file < 0:
            return True
        import fcntl

        file, self._file = self._file, -1
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(file)
        return True
