-- An id or an idempotency key that is there already leaves its row alone. A conflicting row that another session has
-- not committed yet is waited for.
WITH {clock}
INSERT INTO runs (
    id, site_id, user_id, app_id, task, version, definition, priority, created_at, deadline_at, timeout_s,
    idempotency_key, body_digest, retry_of, submitted_by, traceparent, chain_position, due_at, start_by_at, advance_at,
    input, labels, queue, status, attempt, token, lease_expires_at, holder, target, granted_at,
    granted_chain_position, change, tries, lost_count, unstarted_count, result_digest
)
SELECT
    v.id, v.site_id, v.user_id, v.app_id, v.task, v.version, v.definition, v.priority, v.created_at, v.deadline_at,
    v.timeout_s, v.idempotency_key, v.body_digest, v.retry_of, v.submitted_by, v.traceparent, v.chain_position,
    v.due_at, v.start_by_at, v.advance_at, v.input, v.labels, v.queue, v.status, v.attempt, v.token,
    (SELECT now FROM clock) + v.duration_s, v.holder, v.target,
    CASE WHEN v.holder IS NOT NULL THEN (SELECT now FROM clock) END,
    CASE WHEN v.holder IS NOT NULL THEN v.chain_position END,
    $2::bigint, 0, 0, 0, ''
FROM unnest($3::run_to_add[]) AS v
ON CONFLICT DO NOTHING
RETURNING id, granted_at
