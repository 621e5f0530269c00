"""Settings of the stores.

Which engines keep the truth and carry the news, named by URL.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from taskgate.secret import Url


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """Where runs, tasks, keys and workers are kept.

    url: engine, named by URL. Default sqlite: (the embedded one, in `data_dir`). sqlite:FOLDER keeps it in that
        folder; postgresql://USER:PASSWORD@HOST:PORT/NAME is a server that several gateways may share
        (postgresql+asyncpg:// means the same; DATABASE_URL_ASYNCPG_DRIVER is read too and wins over DATABASE_URL);
        memory: forgets everything with the process (for tests).
    pool_size: most connections that one gateway opens to a database server. Default 12; the embedded store has none.
    statement_timeout_s: seconds after which a database server gives a statement up. Default 10.
    start_wait_s: seconds for which a gateway that starts waits for a database server that is away; meanwhile its port
        answers 503. Default 86400 (a day); 0 ends it at once. A wrong password or schema ends it in any case.
    """

    url: Url = field(default=Url("sqlite:"))
    pool_size: Annotated[int, Meta(ge=4, le=500)] = 12
    statement_timeout_s: Annotated[float, Meta(gt=0)] = 10.0
    start_wait_s: Annotated[float, Meta(ge=0)] = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisSettings:
    """The server that carries news, ready queues and shared limits between gateways; nothing in it is the only copy.

    url: redis://USER:PASSWORD@HOST:PORT/DB, or rediss:// for TLS. Default none: this gateway is alone, everything of
        the kind is in its memory. With `database.url` on PostgreSQL it allows further gateways.
    namespace: beginning of every key, so that several installations may share a server. Default taskgate.
    """

    url: Url = field(default=Url(""))
    namespace: str = "taskgate"
