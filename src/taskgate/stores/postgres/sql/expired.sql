WITH {clock}
SELECT {run_fields} FROM runs
WHERE status = 2 AND lease_expires_at <= (SELECT now FROM clock) ORDER BY lease_expires_at, id LIMIT $2
