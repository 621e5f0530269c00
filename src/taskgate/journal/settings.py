"""Settings of the journal room: what a run's journal and its uploaded logs may cost.

Every bound has a visible consequence: a cut journal says so in its last entry, a refused piece in its answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSettings:
    """Journals of runs and logs that are uploaded beside them.

    keep_s: seconds for which the journal and the uploaded logs of an ended run are kept, at least 3600. Default 0: as
        long as the run itself (`runs.keep_ended_s`), and never longer.
    max_bytes: what the journal of one run may hold, bytes of UTF-8. Default 67108864 (64 MiB). Above it one last entry
        says `LOG_TRUNCATED`, and the rest is dropped.
    max_upload_bytes: what one uploaded log (a run, an attempt, a stream) may hold. Default 1073741824 (1 GiB). Above it
        413 `LOG_TOO_LARGE`.
    upload_grace_s: seconds after the end of a run in which its last holder may still upload. Default 600.
    unwritten_bytes: bytes of lines and of uploads, of all connections together, that may wait in this process for a
        journal that is slow or away. Default 134217728 (128 MiB). Above it workers hold back what they have to say.
    """

    keep_s: Annotated[float, Meta(ge=0)] = 0.0
    max_bytes: Annotated[int, Meta(ge=1024)] = 64 << 20
    max_upload_bytes: Annotated[int, Meta(ge=1)] = 1 << 30
    upload_grace_s: Annotated[float, Meta(ge=0)] = 600.0
    unwritten_bytes: Annotated[int, Meta(ge=1 << 20)] = 128 << 20
