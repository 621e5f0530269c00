SELECT id FROM archived_runs WHERE ended_at < %s ORDER BY ended_at, id LIMIT %s
