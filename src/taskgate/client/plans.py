"""Every verb of the client, told once: what to ask, how to read the answer, what to do when it does not come.

Plans are generators over the steps of `steps.py`; `Client` and `AsyncClient` only perform them. A submit always
carries an idempotency key, so an answer that got lost is asked for again and gives the same run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from taskgate.client import requests
from taskgate.client.problems import error_from
from taskgate.client.retries import Attempts, Patience, exchange
from taskgate.client.shapes import RunPage, RunState, VerdictRow, Why
from taskgate.client.steps import Answer, Emit, Pause, Plan, Request
from taskgate.errors import Conflict, NotNow, RemoteLinkError, TaskgateError
from taskgate.ids import new_id
from taskgate.secret import Secret

T = TypeVar("T")
BATCH_COUNT = 1000
BATCH_BYTES = 4 << 20
WAIT_COUNT = 1000
FEW = 20
GATHER_S = 0.00005  # per awaited run: 50 ms while a thousand are open, nothing towards the end


def ask(request: Request, wanted: type[T], *, patience: Patience) -> Plan[T]:
    """One exchange, its body as `wanted`."""
    answer = yield from exchange(request, patience)
    return decoded(answer, wanted)


def ask_list(request: Request, name: str, *, wanted: type[T], patience: Patience) -> Plan[list[T]]:
    """One exchange whose body is `{name: [...]}`."""
    found = yield from ask(request, dict[str, msgspec.Raw], patience=patience)
    return _read(found.get(name, msgspec.Raw(b"[]")), list[wanted])  # type: ignore[valid-type]


def tell(request: Request, patience: Patience) -> Plan[None]:
    """One exchange whose body does not matter."""
    yield from exchange(request, patience)


def submit(
    task: str, value: Any, *, key: str | None, options: Mapping[str, Any], patience: Patience, wait_s: float = 0.0
) -> Plan[RunState]:
    """A new run, or the one that was made under this key before. With `wait_s`: the ended run when it is that quick."""
    request = requests.submit(task, value, key=key or new_id(), options=options, wait_s=wait_s)
    return (yield from ask(request, RunState, patience=patience))


def submit_many(
    task: str, values: Iterable[Any], *, key: str | None, options: Mapping[str, Any], patience: Patience
) -> Plan[None]:
    """Emits one RunState or TaskgateError per value, in order; sends batches as the values come in.

    `key` names the whole: item n has the key `key-n`, so the same call again makes no run twice.
    """
    key = key or new_id()
    requests.quoted(f"{key}-{sys.maxsize}")  # every item's key must fit
    for items in _batches(values, key, options):
        answer = yield from exchange(requests.batch(task, items), patience)
        rows = decoded(answer, dict[str, msgspec.Raw])
        verdicts = _read(rows.get("items", msgspec.Raw(b"[]")), list[VerdictRow])
        if len(verdicts) != len(items):
            raise RemoteLinkError(f"{len(items)} items were sent and {len(verdicts)} verdicts came back")
        for verdict in verdicts:
            yield Emit(_verdict(verdict))


def call(
    task: str, value: Any, *, key: str | None, options: Mapping[str, Any], patience: Patience, wait_s: float | None
) -> Plan[RunState]:
    """Submit and wait for the end; NotNow (STILL_RUNNING) after `wait_s`, None = as long as it takes."""
    ends_at = _ends_at(wait_s, patience)
    first_s = requests.WAIT_S if wait_s is None else min(requests.WAIT_S, wait_s)
    state = yield from submit(task, value, key=key, options=options, patience=patience, wait_s=first_s)
    if state.is_ended:
        return state
    return (yield from wait_until(state.id, ends_at, patience=patience))


def get_run(run_id: str, patience: Patience) -> Plan[RunState]:
    """The run as it is now."""
    return ask(requests.run(run_id), RunState, patience=patience)


def wait(run_id: str, timeout_s: float | None, *, patience: Patience) -> Plan[RunState]:
    """The run once it has ended; NotNow (STILL_RUNNING) after `timeout_s`, None = as long as it takes."""
    return (yield from wait_until(run_id, _ends_at(timeout_s, patience), patience=patience))


def wait_until(run_id: str, ends_at: float | None, *, patience: Patience) -> Plan[RunState]:
    """As `wait`, until a monotonic moment."""
    ended = yield from _ended_ones({run_id: None}, ends_at, patience)
    return ended[0]


def as_completed(run_ids: Iterable[str], timeout_s: float | None, *, patience: Patience) -> Plan[None]:
    """Emits each run once, as it ends; NotNow (STILL_RUNNING, `extra["ids"]`) after `timeout_s`."""
    ends_at = _ends_at(timeout_s, patience)
    waiting = dict.fromkeys(run_ids)
    while waiting:
        for state in (yield from _ended_ones(waiting, ends_at, patience)):
            yield Emit(state)
        if len(waiting) > FEW:  # asking costs the gateway a look at every run: let some more ends come together
            yield Pause(min(len(waiting), WAIT_COUNT) * GATHER_S)


def find_runs(query: Mapping[str, Any], limit: int, *, patience: Patience) -> Plan[None]:
    """Emits up to `limit` runs, newest first, page by page."""
    cursor = ""
    while limit > 0:
        request = requests.runs(query, limit=min(limit, 200), cursor=cursor)
        page = yield from ask(request, RunPage, patience=patience)
        for state in page.runs:
            yield Emit(state)
        limit -= len(page.runs)
        if not page.runs or not page.cursor:
            return
        cursor = page.cursor


def cancel(run_id: str, patience: Patience) -> Plan[RunState]:
    """The cancelled run; Conflict with `extra["run_status"]` when it had ended before.

    A cancel whose answer got lost counts: the repeated one finds the run cancelled, and that is what was wanted.
    """
    request = requests.posted(f"/v1/runs/{requests.segment(run_id)}/cancel")
    attempts = Attempts(patience)
    try:
        answer = yield from exchange(request, patience, attempts=attempts)
    except Conflict as conflict:
        state = yield from get_run(run_id, patience)
        if attempts.failure_count > 1 and state.status == "cancelled":  # our own earlier try did it
            return state
        conflict.extra.setdefault("run_status", state.status)
        raise
    return decoded(answer, RunState)


def retry(run_id: str, patience: Patience) -> Plan[RunState]:
    """A new run like the ended one; asking again, the gateway answers with that very run."""
    return (yield from ask(requests.posted(f"/v1/runs/{requests.segment(run_id)}/retry"), RunState, patience=patience))


def why(run_id: str, patience: Patience) -> Plan[Why]:
    """Why the run is not running."""
    path = f"/v1/runs/{requests.segment(run_id)}/why"
    return (yield from ask(Request(method="GET", path=path), Why, patience=patience))


def decoded(answer: Answer, wanted: type[T]) -> T:
    """The body as `wanted`; RemoteLinkError when it is something else."""
    return _read(answer.body, wanted)


def _read(body: bytes | msgspec.Raw, wanted: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=wanted, dec_hook=_secret)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RemoteLinkError(f"the gateway's answer is not what was asked for: {error}") from error


def _secret(kind: type, value: Any) -> Any:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise TypeError(f"cannot read {kind.__name__}")


def _ends_at(timeout_s: float | None, patience: Patience) -> float | None:
    return None if timeout_s is None else patience.clock.monotonic() + timeout_s


def _ended_ones(waiting: dict[str, None], ends_at: float | None, patience: Patience) -> Plan[list[RunState]]:
    """At least one that has ended, taken out of `waiting`. More than fit into one request are watched in turn."""
    while True:
        left_s = requests.WAIT_S if ends_at is None else ends_at - patience.clock.monotonic()
        window = list(waiting)[:WAIT_COUNT]
        longest_s = requests.WAIT_S if len(window) == len(waiting) else 1.0
        request = requests.wait(window, wait_s=max(0.0, min(longest_s, left_s)))
        ended = yield from ask_list(request, "runs", wanted=RunState, patience=patience)
        found = {state.id: state for state in ended if state.id in waiting}
        for run_id in found:
            del waiting[run_id]
        if found:
            return list(found.values())
        if left_s <= 0:
            raise _still_running(list(waiting))
        for run_id in window:  # to the end of the line
            waiting[run_id] = waiting.pop(run_id)


def _still_running(run_ids: list[str]) -> NotNow:
    what = f"run {run_ids[0]} has" if len(run_ids) == 1 else f"{len(run_ids)} runs have"
    return NotNow(f"{what} not ended in time", code="STILL_RUNNING", extra={"ids": run_ids})


def _batches(values: Iterable[Any], key: str, options: Mapping[str, Any]) -> Iterator[list[msgspec.Raw]]:
    items: list[msgspec.Raw] = []
    size = 0
    told = requests.spoken(options)
    for number, value in enumerate(values):
        item = {"input": value, "idempotency_key": f"{key}-{number}", **told}
        raw = msgspec.Raw(requests.encoded(item))
        length = len(bytes(raw))
        if items and (len(items) == BATCH_COUNT or size + length > BATCH_BYTES):
            yield items
            items, size = [], 0
        items.append(raw)
        size += length + 1
    if items:
        yield items


def _verdict(row: VerdictRow) -> RunState | TaskgateError:
    return row.run if row.run is not None else error_from(row.error or {"status": row.status})
