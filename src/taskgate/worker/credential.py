"""The worker's own credential: shown at every connection, and renewed by itself where it is a token of the gateway's.

Such a token says until when it is good and until when it may be changed for another. When two thirds of its life are
over the next one is asked for on the link that stands, again and again until it is there; work goes on meanwhile. What
came is written to the state folder before it is used, readable by its owner alone, by way of a second file and a
rename: a crash leaves the old one or the new one. It counts as long as the worker is told the same first credential; a
worker that is told another uses that. Nothing here believes a token: only its gateway can tell whether it is good.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import os
import random
import time
from math import inf
from pathlib import Path
from typing import Any

import msgspec

from taskgate.secret import Secret

FILE = "credential"
ASK_FROM = 2 / 3  # of its life
AGAIN_SHARE = 1 / 10  # of its life, at least AGAIN_S
AGAIN_S = 1.0
SPREAD = 0.1  # workers that started together do not ask together
_log = logging.getLogger(__name__)


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The file: for which first credential (its SHA-256), and what it has become."""

    first: str
    token: str
    at: float


class _Claims(msgspec.Struct, frozen=True):
    """What a worker reads of its own token. One that does not say `until` is not the gateway's to renew."""

    iat: float = 0.0
    exp: float = 0.0
    until: float = 0.0


class Credential:
    """What this worker shows. `first` is what it was told at its start."""

    def __init__(self, first: Secret, folder: Path) -> None:
        self.token = first
        self._file = folder / FILE
        self._first = hashlib.sha256(str(first).encode()).hexdigest()
        self._due_at = inf
        kept = self._read()
        if kept is not None:
            self.token = Secret(kept.token)
        self._plan(time.time() if kept is None else kept.at)

    def is_due(self, now: float) -> bool:
        """Whether it is time to ask for the next one; the next time that it is time comes by itself."""
        if now < self._due_at:
            return False
        claims = _claims_of(self.token)
        self._due_at = now + max(AGAIN_S, AGAIN_SHARE * (claims.exp - claims.iat))
        return True

    def renewed(self, token: str) -> None:
        """The gateway gave the next one: from now on it is ours."""
        self.token = Secret(token)
        self._keep(_Kept(first=self._first, token=token, at=time.time()))
        self._plan(time.time())
        claims = _claims_of(self.token)
        if claims.exp >= claims.until > 0:
            _log.warning("this token is renewed no more: a new one is needed within %.0f s", claims.exp - claims.iat)
            self._due_at = inf

    def _plan(self, since: float) -> None:
        """When to ask, counted by our own clock from the moment the token came."""
        claims = _claims_of(self.token)
        if claims.until <= 0 or claims.exp <= claims.iat:
            self._due_at = inf
            return
        share = ASK_FROM - random.uniform(0, SPREAD)
        self._due_at = since + share * (claims.exp - claims.iat)

    def _read(self) -> _Kept | None:
        try:
            kept = msgspec.json.decode(self._file.read_bytes(), type=_Kept)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            _log.warning("the renewed token in %s cannot be read, the first one is used: %s", self._file, error)
            return None
        return kept if kept.first == self._first and kept.token.isprintable() else None

    def _keep(self, kept: _Kept) -> None:
        draft = self._file.with_name(f"{FILE}.new")
        try:
            draft.unlink(missing_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as opened:
                opened.write(msgspec.json.encode(kept))
                opened.flush()
                os.fsync(opened.fileno())
            os.replace(draft, self._file)
        except OSError as error:
            _log.error("the renewed token cannot be kept, a restart will need another: %s", error)


def _claims_of(token: str) -> _Claims:
    """What a token says of its time; nothing for any other credential."""
    parts = token.split(".")
    if len(parts) != 3:
        return _Claims()
    try:
        raw: Any = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(raw, type=_Claims)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        return _Claims()
