SELECT json_group_array(id)
FROM (SELECT id FROM runs WHERE status = 2 AND lease_expires_at <= ? ORDER BY lease_expires_at, id LIMIT ?)
