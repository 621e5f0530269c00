-- What `rows.py` builds runs from: one JSON document for all rows and their blobs end to end, so that however many
-- rows are read it is one step. The order is that of `rows.Row`.
json_group_array(json_array(
    runs.id, runs.task, runs.version, runs.definition, runs.priority, runs.chain_position, runs.attempt, runs.tries,
    runs.lost_count, runs.unstarted_count, runs.created_at, runs.due_at, runs.start_by_at, runs.advance_at,
    runs.deadline_at, runs.timeout_s, runs.started_at, runs.ended_at, runs.stopped_at, runs.result_digest,
    runs.idempotency_key, runs.body_digest, runs.retry_of, runs.submitted_by, runs.traceparent,
    runs.site_id, runs.user_id, runs.app_id, runs.status, json(runs.labels), runs.queue, json(runs.error),
    runs.token, runs.lease_expires_at, runs.accepted,
    runs.holder, runs.target, runs.granted_chain_position, runs.granted_at, runs.attempt_started_at,
    runs.attempt_ended_at, runs.outcome, json(runs.attempt_error), runs.moved_on_because,
    coalesce(length(runs.input), (SELECT length(input) FROM large_inputs WHERE run_id = runs.id)), length(runs.output), length(runs.request), length(runs.response)
)),
CAST(group_concat(coalesce(runs.input, (SELECT input FROM large_inputs WHERE run_id = runs.id)), '') AS BLOB),
CAST(group_concat(runs.output, '') AS BLOB),
CAST(group_concat(runs.request, '') AS BLOB),
CAST(group_concat(runs.response, '') AS BLOB)
