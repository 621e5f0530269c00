DELETE FROM archived_runs
WHERE id IN (SELECT id FROM archived_runs WHERE ended_at < ? ORDER BY ended_at, id LIMIT ?)
