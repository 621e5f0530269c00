-- A claimed run gets its next attempt; what is not queued stays as it is.
WITH v(id, token, lease_expires_at, holder, target, granted_at) AS (VALUES …)
UPDATE runs SET
    status = 2,
    attempt = attempt + 1,
    token = v.token,
    lease_expires_at = v.lease_expires_at,
    accepted = 0,
    holder = v.holder,
    target = v.target,
    granted_chain_position = chain_position,
    granted_at = v.granted_at,
    attempt_started_at = NULL,
    attempt_ended_at = NULL,
    outcome = NULL,
    attempt_error = NULL,
    moved_on_because = NULL,
    request = NULL,
    response = NULL
FROM v
WHERE runs.id = v.id AND runs.status = 1
