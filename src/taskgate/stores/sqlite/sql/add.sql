-- An id or an idempotency key that is there already leaves its row alone.
WITH v(
    id, site_id, user_id, app_id, task, version, definition, priority, created_at, deadline_at, timeout_s,
    idempotency_key, body_digest, retry_of, submitted_by, traceparent, chain_position, due_at, start_by_at, advance_at,
    labels, queue, status, attempt, token, lease_expires_at, holder, target, granted_at, input
) AS (VALUES …)
INSERT INTO runs (
    id, site_id, user_id, app_id, task, version, definition, priority, created_at, deadline_at, timeout_s,
    idempotency_key, body_digest, retry_of, submitted_by, traceparent, chain_position, due_at, start_by_at, advance_at,
    labels, queue, status, attempt, token, lease_expires_at, holder, target, granted_at, granted_chain_position,
    input, change, tries, lost_count, unstarted_count, result_digest
)
SELECT
    id, site_id, user_id, app_id, task, version, definition, priority, created_at, deadline_at, timeout_s,
    idempotency_key, body_digest, retry_of, submitted_by, traceparent, chain_position, due_at, start_by_at, advance_at,
    labels, queue, status, attempt, token, lease_expires_at, holder, target, granted_at,
    iif(holder IS NULL, NULL, chain_position),
    input, ?, 0, 0, 0, ''
FROM v WHERE id IS NOT NULL
ON CONFLICT DO NOTHING
