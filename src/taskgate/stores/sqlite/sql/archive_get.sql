SELECT id, head, body FROM archived_runs WHERE id IN (SELECT value FROM json_each(?))
