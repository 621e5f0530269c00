"""Settings of the stores.

Which engine keeps the truth, named by URL; what an engine needs beside that is in the URL too.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from taskgate.secret import Url


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """Where runs, tasks, keys and workers are kept.

    url: engine, named by URL. Default sqlite: (the embedded one, in `data_dir`). sqlite:FOLDER keeps it in that
        folder; memory: forgets everything with the process (for tests).
    """

    url: Url = field(default=Url("sqlite:"))
