"""Certificates that are renewed while they serve: new beside old, swapped, the old one left to who still uses it.

The files are looked at every second. What was renewed serves every handshake from then on; connections that stand are
not touched. Files that do not fit together (half written, the key not there yet) change nothing: the old pair serves
on, and a warning says why, once. Thirty, seven and one day before the end a warning says so too.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from taskgate.clock import Clock
from taskgate.errors import InvalidInput
from taskgate.lifespan import TaskSet
from taskgate.tls.pairs import Files, Pair, context_of, crossed, read_pair

_log = logging.getLogger(__name__)
LOOK_S = 1.0
Stamp = tuple[tuple[int, int, int] | None, ...]


class Certificates:
    """The pair of one door. `pair` and `generation` may be read from any thread; `generation` grows with each change.

    InvalidInput at birth for files that cannot serve.
    """

    def __init__(self, files: Files, clock: Clock, *, look_s: float = LOOK_S) -> None:
        self._files = files
        self._clock = clock
        self._look_s = look_s
        self._stamp = _stamp(files)
        self._told_days: int | None = None
        self._on_change: list[Callable[[Pair], None]] = []
        self.pair = read_pair(files)
        self.generation = 1
        self.tasks = TaskSet()

    def on_change(self, act: Callable[[Pair], None]) -> None:
        """Call this with every new pair."""
        self._on_change.append(act)

    def context(self, *, is_client_required: bool = False) -> ssl.SSLContext:
        """A context for a listener that always serves with the newest pair."""
        return _Swapping(self, is_client_required=is_client_required).context

    async def start(self) -> None:
        self.warn()
        self.tasks.spawn(self._watch(), name=f"certificates of {self._files.section}")

    async def stop(self) -> None:
        await self.tasks.close()

    def look(self) -> bool:
        """Read the files again if they have changed; whether there is a new pair now."""
        stamp = _stamp(self._files)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            pair = read_pair(self._files)
        except InvalidInput as error:
            _log.warning("the certificate that serves is kept: %s", error.detail)
            return False
        if pair == self.pair:
            return False
        self.pair, self._told_days = pair, None
        self.generation += 1
        for act in self._on_change:
            act(pair)
        _log.info("%s: a new certificate serves, good until %s", self._files.section, _day(pair.expires_at))
        return True

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._look_s)
            self.look()
            self.warn()

    def warn(self) -> None:
        """Say that the end is near, once for each of the days before it."""
        days = crossed(self.pair.expires_at, self._clock.now(), told=self._told_days)
        if days is None:
            return
        self._told_days = days
        if days:
            _log.warning("%s ends on %s, in less than %d days", self._name, _day(self.pair.expires_at), days)
        else:
            _log.error("%s has ended on %s: nobody trusts it any more", self._name, _day(self.pair.expires_at))

    @property
    def _name(self) -> str:
        return f"the certificate {self._files.cert_path}"


class _Swapping:
    """A context that hands each handshake on to the newest one."""

    def __init__(self, certificates: Certificates, *, is_client_required: bool) -> None:
        self._is_client_required = is_client_required
        self.context = self._newest = context_of(certificates.pair, is_client_required=is_client_required)
        self.context.sni_callback = self._hand_on
        certificates.on_change(self._renew)

    def _renew(self, pair: Pair) -> None:
        self._newest = context_of(pair, is_client_required=self._is_client_required)

    def _hand_on(self, handshake: Any, *_: object) -> None:
        handshake.context = self._newest


def _stamp(files: Files) -> Stamp:
    return tuple(_look_at(path) for path in files.paths)


def _look_at(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
