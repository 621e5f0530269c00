-- One that is there stays as it is, unless only the newcomer knows when it stopped.
WITH v(id, site_id, user_id, task, status, ended_at, is_stopped, marks, head, body) AS (VALUES …)
INSERT INTO archived_runs (id, site_id, user_id, task, status, ended_at, is_stopped, marks, head, body)
SELECT id, site_id, user_id, task, status, ended_at, is_stopped, marks, head, body FROM v WHERE id IS NOT NULL
ON CONFLICT (id) DO UPDATE SET is_stopped = 1, head = excluded.head, body = excluded.body
WHERE archived_runs.is_stopped = 0 AND excluded.is_stopped = 1
