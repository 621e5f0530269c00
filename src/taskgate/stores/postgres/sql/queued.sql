SELECT id, queue, site_id, priority, created_at FROM runs WHERE status = 1 AND id > $1 ORDER BY id LIMIT $2
