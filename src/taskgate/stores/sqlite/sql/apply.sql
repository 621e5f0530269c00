-- Moves, each only where its decision saw the run. The lease is dropped; an ended run keeps its last attempt in its
-- row, closed; the attempt of a run that goes on has been copied by `close_attempts`.
WITH v(
    id, attempt, statuses, token,
    status, chain_position, tries, lost_count, unstarted_count, queue, due_at, start_by_at, advance_at,
    started_at, ended_at, output, error, result_digest,
    outcome, attempt_ended_at, attempt_started_at, attempt_error, response, moved_on_because, expires_at, from_position
) AS (VALUES …)
UPDATE runs SET
    change = ?,
    status = v.status,
    chain_position = v.chain_position,
    tries = v.tries,
    lost_count = v.lost_count,
    unstarted_count = v.unstarted_count,
    queue = v.queue,
    due_at = v.due_at,
    start_by_at = v.start_by_at,
    advance_at = v.advance_at,
    started_at = coalesce(runs.started_at, v.started_at),
    ended_at = v.ended_at,
    output = v.output,
    error = v.error,
    result_digest = v.result_digest,
    token = NULL,
    lease_expires_at = NULL,
    accepted = 0,
    holder = iif(v.status > 2, holder, NULL),
    outcome = v.outcome,
    attempt_started_at = coalesce(runs.attempt_started_at, v.attempt_started_at),
    attempt_ended_at = v.attempt_ended_at,
    attempt_error = v.attempt_error,
    response = v.response,
    moved_on_because = v.moved_on_because
FROM v
WHERE runs.id = v.id AND runs.attempt = v.attempt AND runs.status < 3 AND (v.statuses >> runs.status) & 1
    AND (v.from_position IS NULL OR runs.chain_position = v.from_position)
    AND (v.token IS NULL OR runs.token = v.token) AND (v.expires_at IS NULL OR runs.lease_expires_at = v.expires_at)
