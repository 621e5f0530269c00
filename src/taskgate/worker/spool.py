"""Results on disk until the gateway has acknowledged them, so that a killed link process loses none.

One append file: a record is written before the result may leave, one write for everything that is ready. What
was acknowledged is not written down: a result that is sent again is answered `replayed`. The file is emptied
when nothing is outstanding and rewritten when it has grown far beyond what is. A record that a crash cut in two is
the last one, and its result was never sent: it is dropped.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import zlib
from pathlib import Path

import msgspec

from taskgate.errors import StoreError
from taskgate.wire.messages import TaskResult

COMPACT_BYTES = 16 << 20
HEAD_BYTES = 8
_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(TaskResult)
_log = logging.getLogger(__name__)

Key = tuple[str, int]


class Spool:
    """The results that one worker still owes. One process at a time: the folder is locked."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / "results"
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._fd)
            raise StoreError(f"{folder} is in use by another worker", code="STATE_IN_USE") from None
        self._records: dict[Key, bytes] = {}
        self._unwritten: list[bytes] = []
        self._size = 0
        self.is_broken = False

    def load(self) -> list[TaskResult]:
        """What an earlier process did not get rid of, oldest first."""
        content = self._path.read_bytes()
        results: dict[Key, TaskResult] = {}
        at = 0
        while at + HEAD_BYTES <= len(content):
            size, check = (int.from_bytes(content[at + part : at + part + 4], "little") for part in (0, 4))
            record = content[at + HEAD_BYTES : at + HEAD_BYTES + size]
            if len(record) < size or zlib.crc32(record) != check:
                _log.warning(
                    "%s: the last %d bytes are not a whole record and are dropped", self._path, len(content) - at
                )
                break
            result = _decoder.decode(record)
            results[result.run_id, result.attempt] = result
            self._records[result.run_id, result.attempt] = content[at : at + HEAD_BYTES + size]
            at += HEAD_BYTES + size
        os.ftruncate(self._fd, at)
        self._size = at
        return list(results.values())

    def keep(self, result: TaskResult) -> None:
        """Keep a result; it is on disk after the next `flush`."""
        body = _encode(result)
        record = len(body).to_bytes(4, "little") + zlib.crc32(body).to_bytes(4, "little") + body
        self._records[result.run_id, result.attempt] = record
        self._unwritten.append(record)

    def forget(self, key: Key) -> None:
        """The gateway has it, or will never want it."""
        self._records.pop(key, None)

    def flush(self) -> None:
        """Write what was kept since the last time. A full disk is logged; the results stay in memory."""
        if self._unwritten:
            self._write(b"".join(self._unwritten))
            self._unwritten.clear()

    def tidy(self) -> None:
        """Empty the file when nothing is outstanding, shrink it when little is; heal it when a write had failed."""
        self.flush()
        if not self._records and not self.is_broken:
            if self._size:
                os.ftruncate(self._fd, 0)
                self._size = 0
        elif self.is_broken or self._size > COMPACT_BYTES + 2 * sum(map(len, self._records.values())):
            self._rewrite()

    def close(self) -> None:
        """Leave the file as it should be found."""
        with contextlib.suppress(OSError):
            self.tidy()
        os.close(self._fd)

    def _write(self, content: bytes) -> None:
        try:
            written = os.write(self._fd, content)
            if written < len(content):
                raise OSError("the disk took only a part")
        except OSError as error:
            if not self.is_broken:
                _log.error("results cannot be kept on disk: %s (%s); no new work is taken", error, self._path)
            self.is_broken = True
        else:
            self._size += len(content)

    def _rewrite(self) -> None:
        """Write the outstanding records anew beside the old file, then put them in its place."""
        fresh = self._path.with_name("results.new")
        try:
            content = b"".join(self._records.values())
            fresh.write_bytes(content)
            fresh.chmod(0o600)
            fd = os.open(fresh, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fresh.rename(self._path)
        except OSError as error:
            _log.error("results cannot be kept on disk: %s (%s)", error, self._path)
            self.is_broken = True
            return
        os.close(self._fd)
        self._fd, self._size, self.is_broken = fd, len(content), False
