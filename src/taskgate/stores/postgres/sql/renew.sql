-- The first renewal accepts: the try is counted and has begun.
WITH {clock}
UPDATE runs SET
    lease_expires_at = (SELECT now FROM clock) + v.duration_s,
    accepted = true,
    tries = tries + CASE WHEN accepted THEN 0 ELSE 1 END,
    unstarted_count = 0,
    attempt_started_at = coalesce(attempt_started_at, v.started_at, (SELECT now FROM clock)),
    started_at = coalesce(runs.started_at, v.started_at, (SELECT now FROM clock))
FROM unnest($2::run_to_renew[]) AS v
WHERE runs.id = v.id AND runs.attempt = v.attempt AND runs.token = v.token AND runs.status + 0 = 2
RETURNING v.place
