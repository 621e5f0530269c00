-- open runs by site and queue; a state each, so that each is read by the index that has it alone
SELECT json_group_array(json_array(site_id, queue, scheduled, queued, running, oldest_at))
FROM (
    SELECT site_id, queue, sum(status = 0) AS scheduled, sum(status = 1) AS queued, sum(status = 2) AS running,
        min(CASE WHEN status = 1 THEN created_at END) AS oldest_at
    FROM (
        SELECT site_id, user_id, queue, status, created_at FROM runs WHERE status = 0 AND due_at IS NOT NULL
        UNION ALL SELECT site_id, user_id, queue, status, created_at FROM runs WHERE status = 1
        UNION ALL SELECT site_id, user_id, queue, status, created_at FROM runs WHERE status = 2
    )
    WHERE (:site_id IS NULL OR site_id = :site_id) AND (:user_id = '' OR user_id = :user_id)
    GROUP BY site_id, queue
)
