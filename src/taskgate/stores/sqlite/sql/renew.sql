-- The first renewal accepts: the try is counted and has begun.
WITH v(id, attempt, token, lease_expires_at, started_at) AS (VALUES …)
UPDATE runs SET
    lease_expires_at = v.lease_expires_at,
    accepted = 1,
    tries = tries + 1 - accepted,
    unstarted_count = 0,
    attempt_started_at = coalesce(attempt_started_at, v.started_at),
    started_at = coalesce(runs.started_at, v.started_at)
FROM v
WHERE runs.id = v.id AND runs.attempt = v.attempt AND runs.token = v.token AND runs.status = 2
