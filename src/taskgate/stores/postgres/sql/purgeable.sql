SELECT id FROM runs WHERE ended_at < $1 ORDER BY ended_at, id LIMIT $2
