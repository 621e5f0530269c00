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
FROM unnest(
    $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bigint[], $11::float8[],
    $12::float8[], $13::float8[], $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::int[],
    $20::float8[], $21::float8[], $22::float8[], $23::bytea[], $24::text[], $25::text[], $26::smallint[], $27::int[],
    $28::text[], $29::float8[], $30::text[], $31::text[]
) AS v(
    id, site_id, user_id, app_id, task, version, definition, priority, created_at, deadline_at, timeout_s,
    idempotency_key, body_digest, retry_of, submitted_by, traceparent, chain_position, due_at, start_by_at, advance_at,
    input, labels, queue, status, attempt, token, duration_s, holder, target
)
ON CONFLICT DO NOTHING
RETURNING id, granted_at
