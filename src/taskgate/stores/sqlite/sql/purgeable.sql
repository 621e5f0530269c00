SELECT json_group_array(id) FROM (SELECT id FROM runs WHERE ended_at < ? ORDER BY ended_at, id LIMIT ?)
