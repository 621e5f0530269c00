WITH v(id, site_id, user_id, service, route, request_id, status, started_at, content) AS (VALUES …)
INSERT INTO calls (id, site_id, user_id, service, route, request_id, status, started_at, content)
SELECT id, site_id, user_id, service, route, request_id, status, started_at, content FROM v
WHERE id IS NOT NULL
ON CONFLICT (id) DO NOTHING
