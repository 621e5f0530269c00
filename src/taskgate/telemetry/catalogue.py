"""The metrics there are: name, kind, labels and what each says. The reference page is made from this.

`gateway` metrics are of the process that was asked, with its fronts: a scraper adds them up over gateways. `cluster`
metrics are read from the shared store and equal at every gateway: take the maximum, never the sum.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]
GATEWAY, CLUSTER = "gateway", "cluster"


class Metric(NamedTuple):
    """One metric; a counter's name is told with `_total` behind it."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    told: str
    scope: str = GATEWAY

    @property
    def help(self) -> str:
        """What a scrape says of it."""
        where = "this gateway, its fronts included" if self.scope == GATEWAY else "whole cluster, from the store"
        return f"{self.told} Counted for: {where}."


def _table(text: str, kind: Kind, *, scope: str = GATEWAY) -> list[Metric]:
    """One metric a line: name, labels in parentheses, what it says."""
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, rest = line.partition("(")
        labels, _, told = rest.partition(")")
        found.append(Metric(name.strip(), kind, tuple(labels.split()), told.strip(), scope))
    return found


_CLUSTER = """
taskgate_queue_depth (task version labels) Runs that wait in a queue, 0 where none does.
taskgate_queue_oldest_age_seconds (task version labels) Age of the run that waits longest, 0 where none does.
taskgate_queue_running (task version labels) Runs of a queue that somebody holds.
taskgate_runs_open (status) Runs that have not ended: queued, scheduled, running.
"""
_GAUGES = """
taskgate_queue_workers (task version labels) Connected workers that fit a queue.
taskgate_queue_slots_free (task version labels) Offers that those workers would take now.
taskgate_census_up () 1 when the last count of what is open could be read; without it there are no queue metrics.
taskgate_census_age_seconds () How old the counts of what is open are.
taskgate_workers_connected (transport) Connected workers.
taskgate_worker_slots (transport) Their slots.
taskgate_worker_runs (transport) Runs that they hold.
taskgate_store_away (port) 1 while the last verb of a store failed.
taskgate_leads (duty) 1 where this gateway leads a duty.
taskgate_leader_epoch (duty) The epoch under which it leads, 0 where it does not.
taskgate_route_active (service method route) Calls in flight in the first process; those of fronts are not in it.
taskgate_service_breaker_open (service) 1 while a breaker of the service is open, 0.5 while it is probed.
taskgate_backend_breaker_open (backend) 1 while the breaker of a backend is open, 0.5 while it may be probed.
taskgate_upstream_connections (state) Connections to upstreams by idle and used.
taskgate_upstream_waiting () Calls that wait for a connection.
taskgate_tunnels () Open WebSocket and upgrade tunnels.
taskgate_event_loop_late_seconds () How late the event loop was last time.
taskgate_build_info (version) Always 1.
"""
_COUNTERS = """
taskgate_runs_submitted (task) Runs accepted; tasks beyond the first ones are `other`.
taskgate_runs_ended (task status) Runs ended here, by end.
taskgate_runs_moved (status) Runs that stayed open and changed place: queued again, waiting for a retry.
taskgate_attempts_ended (outcome) Attempts by how they ended; `worker_lost` and `not_started` are lost leases.
taskgate_leases (event) Leases offered, held (renewed), lost, stop (the run had ended), expired, stale_report.
taskgate_offers_refused (reason) Offers that a worker gave back.
taskgate_workers_joined (transport) Workers that connected.
taskgate_workers_left () Workers whose connection ended.
taskgate_journal_entries (event) Journal entries in, and stored: what came twice is not stored twice.
taskgate_journal_bytes () Bytes of text that came in for journals.
taskgate_journal_cut () Batches that met the size limit of their journal.
taskgate_store_failures (port kind) Verbs of stores that failed.
taskgate_backend_breaker_opened (backend) How often the breaker of a backend opened.
taskgate_backend_refused (backend) Calls that were refused because a backend was away.
taskgate_route_requests (service method route) Calls of routes.
taskgate_route_answers (service method route status) Answers by class; `cut` where the caller left or was cut off.
taskgate_route_refused (service method route) Calls that never went to an upstream.
taskgate_route_limited (service method route) Those of them that a rate limit refused.
taskgate_route_failed (service method route) Calls for which every upstream was tried in vain.
taskgate_route_retries (service method route) Calls tried again.
taskgate_route_fallbacks (service method route) Calls that a fallback upstream was asked for.
taskgate_route_bytes (service method route direction) Bytes of bodies, in and out.
taskgate_spans_dropped () Spans that found no place in the queue of the exporter.
taskgate_log_lines_dropped () Lines of the log that were said too often.
"""
_HISTOGRAMS = """
taskgate_submit_seconds () A submission, from its being read to its being on disk.
taskgate_store_verb_seconds (port verb) Verbs of stores that succeeded; `add` and `apply` are commits.
taskgate_link_round_trip_seconds (transport) From an offer's going out to its acceptance's coming in.
taskgate_run_wait_seconds () From acceptance (or due time) to the first start, of runs that ended here.
taskgate_run_seconds () From acceptance to the end, of runs that ended here.
taskgate_route_seconds (service method route) Duration of calls.
taskgate_event_loop_late_distribution_seconds () How late the event loop was, twice a second.
"""
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *_table(_CLUSTER, "gauge", scope=CLUSTER),
        *_table(_GAUGES, "gauge"),
        *_table(_COUNTERS, "counter"),
        *_table(_HISTOGRAMS, "histogram"),
    )
}
