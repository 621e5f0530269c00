"""The verbs about things other than runs, by what they are about.

Each performs one plan of `operations`; nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from taskgate.client import operations
from taskgate.client.shapes import (
    GatewaysState,
    KeyState,
    QueueState,
    RegistrationState,
    Retried,
    RouteState,
    ServiceState,
    TaskState,
    TokenState,
    WorkerState,
)
from taskgate.client.sync.line import Line
from taskgate.client.sync.run import Run


class Tasks:
    """What can be done."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def all(self) -> list[TaskState]:
        """Every task that this key may see."""
        return self._line.finish(operations.tasks(self._line.patience))

    def find(self, name: str) -> TaskState:
        """One task's definition; NotFound when there is none."""
        return self._line.finish(operations.task(name, self._line.patience))

    def apply(self, definition: dict[str, Any]) -> TaskState:
        """Declare a task (`name` and the members of a definition); the same again changes nothing."""
        return self._line.finish(operations.apply_task(definition, self._line.patience))

    def remove(self, name: str, *, version: str = "") -> None:
        """Take a definition back; runs that were accepted under it go on."""
        self._line.finish(operations.remove_task(name, version, patience=self._line.patience))


class Workers:
    """Who is connected."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def all(self) -> list[WorkerState]:
        """Every worker over every transport."""
        return self._line.finish(operations.workers(self._line.patience))

    def drain(self, worker_id: str) -> None:
        """Let the worker finish what it has and give it nothing new."""
        self._line.finish(operations.drain_worker(worker_id, self._line.patience))


class Queues:
    """How much waits."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def all(self, *, task: str = "") -> list[QueueState]:
        """Every queue, those in which nothing waits too; of one task where it is named."""
        return self._line.finish(operations.queues(task, self._line.patience))


class Gateways:
    """Which gateways there are."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def all(self) -> GatewaysState:
        """Every gateway that is alive; needs the scope admin."""
        return self._line.finish(operations.gateways(self._line.patience))


class Services:
    """HTTP services behind the gateway."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def all(self) -> list[ServiceState]:
        """Every service that this key may see."""
        return self._line.finish(operations.services(self._line.patience))

    def register(self, registration: Mapping[str, Any]) -> RegistrationState:
        """Announce a service: name, base_url, then routes or openapi or openapi_url, prefix, policy, lease_s.

        `lease_s` 0 lets it stay until it is withdrawn. The same again changes nothing.
        """
        return self._line.finish(operations.register_service(registration, self._line.patience))

    def withdraw(self, name: str) -> None:
        """Take a service and its routes back; calls that are on their way go on."""
        self._line.finish(operations.withdraw_service(name, self._line.patience))


class Routes:
    """Which method and path leads where."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def all(self) -> list[RouteState]:
        """Every route of every service that this key may see."""
        return self._line.finish(operations.routes(self._line.patience))


class Keys:
    """API keys. A key's text is in the answer of `create` and `rotate`, and nowhere ever after."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def all(self) -> list[KeyState]:
        """Every key, without its text."""
        return self._line.finish(operations.keys(self._line.patience))

    def create(self, name: str, scopes: Sequence[str], **members: Any) -> KeyState:
        """A new key; `members` may hold kind, site_id, user_id, app_id, prefixes, worker_id, expires_at."""
        return self._line.finish(operations.create_key(name, scopes, members=members, patience=self._line.patience))

    def revoke(self, key_id: str) -> None:
        """End a key's life at once."""
        self._line.finish(operations.revoke_key(key_id, self._line.patience))

    def rotate(self, key_id: str, *, overlap_s: float = 0.0) -> KeyState:
        """A new key like this one, which works for `overlap_s` more."""
        return self._line.finish(operations.rotate_key(key_id, overlap_s, patience=self._line.patience))


class Tokens:
    """Short-lived credentials. A token's text is in the answer that made it, and nowhere ever after."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def create(self, **members: Any) -> TokenState:
        """A token that may do no more than the credential that asks; `members` may hold scopes, life_s, worker_id."""
        return self._line.finish(operations.create_token(members, self._line.patience))

    def invite(self, **members: Any) -> TokenState:
        """A join token; `members` may hold site_id, scopes, worker_id, life_s, key_days."""
        return self._line.finish(operations.create_token({"kind": "join", **members}, self._line.patience))

    def join(self, worker_id: str) -> KeyState:
        """The worker's own key; the client's key is the join token, which is used up by this."""
        return self._line.finish(operations.join(worker_id, self._line.patience))

    def revoke(self, token_id: str = "", *, subject: str = "") -> None:
        """Refuse a token, or everything that was issued to a subject until now."""
        self._line.finish(operations.revoke_token(token_id, subject, patience=self._line.patience))


class DeadLetters:
    """Failed runs that nobody has retried."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def all(self, *, task: str = "", limit: int = 50) -> list[Run]:
        """The newest dead letters."""
        plan = operations.dead_letters(task, limit, patience=self._line.patience)
        return [Run(self._line, state) for state in self._line.items(plan)]

    def retry(self, run_ids: Sequence[str] = (), *, task: str = "") -> Retried:
        """Do dead letters again: these, all of a task, or (neither) all; up to 1,000 at a time."""
        return self._line.finish(operations.retry_dead(run_ids, task, patience=self._line.patience))

    def purge(self, run_ids: Sequence[str] = (), *, task: str = "") -> int:
        """Delete dead letters for good: these, all of a task, or (neither) all; returns how many."""
        return self._line.finish(operations.purge_dead(run_ids, task, patience=self._line.patience))
