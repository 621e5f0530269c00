SELECT json_group_array(json_array(id, queue, site_id, priority, created_at))
FROM (SELECT id, queue, site_id, priority, created_at FROM runs WHERE status = 1 AND id > ? ORDER BY id LIMIT ?)
