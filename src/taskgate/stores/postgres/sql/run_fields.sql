-- what `rows.run_of` reads, in its order
runs.id, runs.task, runs.version, runs.definition, runs.priority, runs.chain_position, runs.attempt, runs.tries,
runs.lost_count, runs.unstarted_count, runs.created_at, runs.due_at, runs.start_by_at, runs.advance_at,
runs.deadline_at, runs.timeout_s, runs.started_at, runs.ended_at, runs.stopped_at, runs.result_digest,
runs.idempotency_key, runs.body_digest, runs.retry_of, runs.submitted_by, runs.traceparent, runs.input, runs.output,
runs.site_id, runs.user_id, runs.app_id, runs.status, runs.labels, runs.queue, runs.error, runs.token,
runs.lease_expires_at, runs.accepted,
runs.holder, runs.target, runs.granted_chain_position, runs.granted_at, runs.attempt_started_at,
runs.attempt_ended_at, runs.outcome, runs.attempt_error, runs.moved_on_because, runs.request, runs.response
