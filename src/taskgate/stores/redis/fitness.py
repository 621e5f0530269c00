"""Whether a Redis server can be used: judged once for every connection, from what it says of itself.

Nothing may ever be thrown away to make room (`maxmemory-policy noeviction`): an evicted half of an index is a lie,
a refused write is only a pause. Redis Cluster is refused: an index is one atomic whole over keys of many names, which
a cluster would spread.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from taskgate.errors import StoreError

OLDEST = (6, 2)
POLICY = "noeviction"
HOW = "set it with `maxmemory-policy noeviction` in its configuration (a managed service has it in its parameters)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What matters of a server that can be used."""

    version: tuple[int, ...]
    maxmemory: int = 0


def judged(info: bytes, policy: bytes | None) -> Server:
    """The server behind an answer to INFO and, where that does not tell, its configured policy (None: it keeps that
    to itself). StoreError says what an operator has to change."""
    said = dict(re.findall(r"^(\w+):([^\r\n]*)", info.decode("utf-8", "replace"), re.MULTILINE))
    if not said:
        detail = "this Redis does not tell what it is: allow this user the command INFO (ACL `+info`)"
        raise StoreError(detail, code="REDIS_POLICY_UNKNOWN")
    version = tuple(int(part) for part in re.findall(r"\d+", said.get("redis_version", ""))[:3])
    if version < OLDEST:
        found = said.get("redis_version") or "an unknown version"
        raise StoreError(f"this Redis is {found}; 6.2 or newer is needed", code="REDIS_TOO_OLD")
    if said.get("cluster_enabled") == "1" or said.get("redis_mode") == "cluster":
        detail = "this Redis is a cluster; a single server (with replicas, if wanted) is needed"
        raise StoreError(detail, code="REDIS_CLUSTER")
    if said.get("role", "master") != "master":
        raise StoreError("this Redis is a replica, which cannot be written", code="REDIS_REPLICA")
    found = said.get("maxmemory_policy") or (policy or b"").decode("utf-8", "replace")
    if not found:
        detail = (
            "the maxmemory-policy of this Redis cannot be read: allow this user INFO (ACL `+info`) or CONFIG GET "
            "(ACL `+config|get`); it must be noeviction"
        )
        raise StoreError(detail, code="REDIS_POLICY_UNKNOWN")
    if found != POLICY:
        detail = f"the maxmemory-policy of this Redis is {found}, which may drop keys at will: {HOW}"
        raise StoreError(detail, code="REDIS_EVICTS")
    limit = said.get("maxmemory", "0")
    return Server(version=version, maxmemory=int(limit) if limit.isdigit() else 0)
