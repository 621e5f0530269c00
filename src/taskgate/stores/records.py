"""What every SQL engine keeps beside runs, as rows: recorded calls, deeds, uploaded logs; and which text finds them.

The texts differ by engine, their names and the order of their columns do not.
"""

from __future__ import annotations

from typing import Any

import msgspec

from taskgate.audit.entry import Deed, Entry
from taskgate.history.ports import HistoryFilter
from taskgate.journal.pieces import LogName, RunLog
from taskgate.routes.records import CallFilter, CallRecord


def call_row(record: CallRecord) -> tuple[Any, ...]:
    """A recorded call: what is looked for, then all of it."""
    return (
        record.id,
        record.site_id,
        record.user_id,
        record.service,
        record.route,
        record.request_id,
        record.status,
        record.started_at,
        msgspec.json.encode(record),
    )


def call_query(wanted: CallFilter) -> str:
    """The text that finds these calls by an index."""
    if wanted.request_id:
        return "calls_find_of_request"
    if wanted.id:
        return "calls_find_one"
    return "calls_find" if wanted.site_id is None else "calls_find_of_site"


def deed_row(entry: Entry, deed: Deed) -> tuple[Any, ...]:
    """An entry of the audit log, with what is looked for of its deed."""
    return (
        entry.seq, deed.at, deed.action, deed.outcome, deed.actor.id, deed.subject, entry.content, entry.hash
    )  # fmt: skip


def log_of(row: Any) -> RunLog:
    """An uploaded log out of its row."""
    run_id, attempt, stream, size_bytes, piece_count, sha256, writer = row
    return RunLog(
        log=LogName(run_id, attempt, stream),
        size_bytes=size_bytes,
        piece_count=piece_count,
        sha256=sha256,
        writer=writer,
    )


def archive_query(wanted: HistoryFilter) -> str:
    """The text that walks over the fewest archived runs."""
    if wanted.id_prefix:
        return "archive_find_of_id"
    if wanted.user_id:
        return "archive_find_of_user"
    return "archive_find_of_task" if wanted.task else "archive_find"
