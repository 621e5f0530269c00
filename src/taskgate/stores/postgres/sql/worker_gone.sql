UPDATE workers SET gone_at = $2, last_seen_at = $2 WHERE worker_id = $1
