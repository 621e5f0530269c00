-- A claimed run gets its next attempt; what is not queued stays as it is. `status + 0`: a guard is judged on rows
-- that were found by id, it is never a way to find them (no index is over the sum).
WITH {clock}
UPDATE runs SET
    status = 2,
    attempt = attempt + 1,
    token = v.token,
    lease_expires_at = (SELECT now FROM clock) + v.duration_s,
    accepted = false,
    holder = v.holder,
    target = v.target,
    granted_chain_position = chain_position,
    granted_at = (SELECT now FROM clock),
    attempt_started_at = NULL,
    attempt_ended_at = NULL,
    outcome = NULL,
    attempt_error = NULL,
    moved_on_because = NULL,
    request = NULL,
    response = NULL
FROM unnest($2::run_to_claim[]) AS v
WHERE runs.id = v.id AND runs.status + 0 = 1
RETURNING {run_fields}
