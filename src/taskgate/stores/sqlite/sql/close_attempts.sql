-- The present attempts of runs that go on, as they ended; performed before `apply`, under the same guard.
WITH v(id, attempt, statuses, token, outcome, ended_at, started_at, error, response, moved_on_because, expires_at,
    from_position)
AS (VALUES …)
INSERT INTO attempts (
    run_id, number, target, chain_position, holder, granted_at, started_at, ended_at, outcome, error,
    moved_on_because, request, response
)
SELECT
    runs.id, runs.attempt, runs.target, runs.granted_chain_position, runs.holder, runs.granted_at,
    coalesce(runs.attempt_started_at, v.started_at), v.ended_at, v.outcome, v.error,
    coalesce(v.moved_on_because, ''), runs.request, v.response
FROM v CROSS JOIN runs ON runs.id = v.id
WHERE runs.attempt = v.attempt AND runs.status < 3 AND (v.statuses >> runs.status) & 1 AND (v.token IS NULL OR runs.token = v.token)
    AND (v.from_position IS NULL OR runs.chain_position = v.from_position)
    AND (v.expires_at IS NULL OR runs.lease_expires_at = v.expires_at) AND runs.holder IS NOT NULL
