"""Plans about things other than runs: tasks, workers, services, keys, dead letters.

Making a key is never repeated by itself: a lost answer would leave a second key that nobody knows of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from taskgate.client import plans
from taskgate.client.requests import posted, segment
from taskgate.client.retries import Patience
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
from taskgate.client.steps import Plan, Request
from taskgate.errors import InvalidInput

_TOLD_ONLY = frozenset({"name", "declared", "shared"})  # members of a definition that only the gateway says


def tasks(patience: Patience) -> Plan[list[TaskState]]:
    """Every task that this key may see."""
    return plans.ask_list(Request(method="GET", path="/v1/tasks"), "tasks", wanted=TaskState, patience=patience)


def task(name: str, patience: Patience) -> Plan[TaskState]:
    """One task's definition."""
    return plans.ask(Request(method="GET", path=f"/v1/tasks/{segment(name)}"), TaskState, patience=patience)


def apply_task(definition: Mapping[str, Any], patience: Patience) -> Plan[TaskState]:
    """Declare a task; InvalidInput when the definition has no name."""
    name = definition.get("name")
    if not isinstance(name, str):
        raise InvalidInput("a definition needs a name", extra={"path": "/name"})
    content = {member: value for member, value in definition.items() if member not in _TOLD_ONLY}
    return plans.ask(posted(f"/v1/tasks/{segment(name)}", content, method="PUT"), TaskState, patience=patience)


def remove_task(name: str, version: str, *, patience: Patience) -> Plan[None]:
    """Take a definition back."""
    query = "?" + urlencode({"version": version}) if version else ""
    return plans.tell(Request(method="DELETE", path=f"/v1/tasks/{segment(name)}{query}"), patience)


def workers(patience: Patience) -> Plan[list[WorkerState]]:
    """Every worker over every transport."""
    request = Request(method="GET", path="/gateway/workers")
    return plans.ask_list(request, "workers", wanted=WorkerState, patience=patience)


def drain_worker(worker_id: str, patience: Patience) -> Plan[None]:
    """Let a worker finish what it has."""
    return plans.tell(posted(f"/gateway/workers/{segment(worker_id)}/drain"), patience)


def queues(task: str, patience: Patience) -> Plan[list[QueueState]]:
    """How much waits in every queue, of one task where it is named."""
    query = "?" + urlencode({"task": task}) if task else ""
    return plans.ask_list(
        Request(method="GET", path=f"/v1/queues{query}"), "queues", wanted=QueueState, patience=patience
    )


def gateways(patience: Patience) -> Plan[GatewaysState]:
    """Every gateway that is alive."""
    return plans.ask(Request(method="GET", path="/v1/gateways"), GatewaysState, patience=patience)


def register_service(registration: Mapping[str, Any], patience: Patience) -> Plan[RegistrationState]:
    """Announce an HTTP service; the same again changes nothing."""
    return plans.ask(posted("/gateway/register", dict(registration)), RegistrationState, patience=patience)


def withdraw_service(name: str, patience: Patience) -> Plan[None]:
    """Take a service and its routes back."""
    return plans.tell(Request(method="DELETE", path=f"/gateway/services/{segment(name)}"), patience)


def services(patience: Patience) -> Plan[list[ServiceState]]:
    """Every service that this key may see."""
    request = Request(method="GET", path="/gateway/services")
    return plans.ask_list(request, "services", wanted=ServiceState, patience=patience)


def routes(patience: Patience) -> Plan[list[RouteState]]:
    """Every route of every service that this key may see."""
    request = Request(method="GET", path="/gateway/routes")
    return plans.ask_list(request, "routes", wanted=RouteState, patience=patience)


def keys(patience: Patience) -> Plan[list[KeyState]]:
    """Every key, without its text."""
    return plans.ask_list(Request(method="GET", path="/v1/keys"), "keys", wanted=KeyState, patience=patience)


def create_key(name: str, scopes: Sequence[str], *, members: Mapping[str, Any], patience: Patience) -> Plan[KeyState]:
    """A new key. Not repeated when the answer gets lost: its text would be lost with it."""
    content = {"name": name, "scopes": list(scopes), **members}
    return plans.ask(posted("/v1/keys", content, repeatable=False), KeyState, patience=patience)


def revoke_key(key_id: str, patience: Patience) -> Plan[None]:
    """End a key's life at once."""
    return plans.tell(Request(method="DELETE", path=f"/v1/keys/{segment(key_id)}"), patience)


def rotate_key(key_id: str, overlap_s: float, *, patience: Patience) -> Plan[KeyState]:
    """A new key like this one, which works for `overlap_s` more."""
    request = posted(f"/v1/keys/{segment(key_id)}/rotate", {"overlap_s": overlap_s}, repeatable=False)
    return plans.ask(request, KeyState, patience=patience)


def create_token(members: Mapping[str, Any], patience: Patience) -> Plan[TokenState]:
    """A token, or a join token. Not repeated when the answer gets lost: its text would be lost with it."""
    return plans.ask(posted("/v1/tokens", dict(members), repeatable=False), TokenState, patience=patience)


def revoke_token(token_id: str, subject: str, *, patience: Patience) -> Plan[None]:
    """Refuse a token, or all of a subject's, from now on."""
    return plans.tell(posted("/v1/tokens/revoke", {"token_id": token_id, "subject": subject}), patience)


def join(worker_id: str, patience: Patience) -> Plan[KeyState]:
    """The worker's own key for a join token, which is used up by this, whatever becomes of the answer."""
    return plans.ask(posted("/v1/tokens/join", {"worker_id": worker_id}, repeatable=False), KeyState, patience=patience)


def dead_letters(task_name: str, limit: int, *, patience: Patience) -> Plan[None]:
    """Emits failed runs that nobody has retried, newest first."""
    return plans.find_runs({"task": task_name, "dead": True}, limit, patience=patience)


def retry_dead(run_ids: Sequence[str], task_name: str, *, patience: Patience) -> Plan[Retried]:
    """Do dead letters again: these, all of a task, or all; the same again gives the same new runs."""
    return plans.ask(posted("/v1/dead/retry", {"ids": list(run_ids), "task": task_name}), Retried, patience=patience)


def purge_dead(run_ids: Sequence[str], task_name: str, *, patience: Patience) -> Plan[int]:
    """Delete dead letters: these, all of a task, or all; returns how many."""
    request = posted("/v1/dead/purge", {"ids": list(run_ids), "task": task_name})
    found = yield from plans.ask(request, dict[str, int], patience=patience)
    return found.get("purged", 0)
