INSERT INTO workers (worker_id, site_id, first_seen_at, last_seen_at, gone_at, content)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (worker_id) DO UPDATE
SET last_seen_at = excluded.last_seen_at, gone_at = excluded.gone_at, content = excluded.content
WHERE workers.site_id = excluded.site_id
RETURNING true
