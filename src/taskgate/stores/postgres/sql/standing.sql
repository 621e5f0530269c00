-- open runs by site and queue; a state each, so that each is read by the index that has it alone
SELECT site_id, queue,
    count(*) FILTER (WHERE status = 0) AS scheduled,
    count(*) FILTER (WHERE status = 1) AS queued,
    count(*) FILTER (WHERE status = 2) AS running,
    min(created_at) FILTER (WHERE status = 1) AS oldest_at
FROM (
    SELECT site_id, user_id, queue, status, created_at FROM runs WHERE status = 0 AND due_at IS NOT NULL
    UNION ALL SELECT site_id, user_id, queue, status, created_at FROM runs WHERE status = 1
    UNION ALL SELECT site_id, user_id, queue, status, created_at FROM runs WHERE status = 2
) AS open_runs
WHERE ($1::text IS NULL OR site_id = $1) AND ($2::text = '' OR user_id = $2)
GROUP BY site_id, queue
